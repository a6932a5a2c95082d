"""Durable work: a job is one request made and its picture stored, on record from start to end.

`job` says what a job is and how a database keeps it; `jobs` carries jobs out on DBOS. Importing `jobs` loads
DBOS and SQLAlchemy (0.4 s), so only those who need durable work do.
"""

import logging

# Here because it must happen before dbos is imported: finding no handler, dbos would add one that writes to
# stderr.
logging.getLogger("dbos").addHandler(logging.NullHandler())
