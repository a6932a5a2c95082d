"""Where results rest: pictures in a folder or an S3-compatible store, records in SQLite or PostgreSQL."""
