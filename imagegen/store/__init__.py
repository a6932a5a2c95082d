"""Where results rest: files now; records of them (SQLAlchemy) and other stores come beside this."""
