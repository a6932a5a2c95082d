"""The database of jobs, workers and whatever else is kept as records: SQLite in data_dir, or PostgreSQL by
one setting.

SQLite runs in WAL mode, so that reading a list never waits for the one who writes, flushes every commit to
disk, and overwrites what is deleted: a prompt that was deleted is in no free page of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from imagegen.errors import ImagegenError, OutputNotWritable, SettingsInvalid

if TYPE_CHECKING:
    from imagegen.settings import Settings

FILE = "jobs.sqlite"
BUSY_MS = 30_000  # how long a writer waits for another one's transaction
CONNECTIONS = 20


def database_url(settings: Settings) -> URL:
    """Where the records are. Raises SettingsInvalid(database_url) for what is no such URL, and for a database
    that is neither SQLite nor PostgreSQL."""
    if settings.database_url is None:
        return URL.create("sqlite", database=str(settings.data_dir / FILE))
    try:
        url = make_url(settings.database_url)
    except SQLAlchemyError as error:
        raise database_error(settings, error) from error
    name = url.get_backend_name()
    if name == "postgres":  # what several hosters write
        name, url = "postgresql", url.set(drivername="postgresql")
    if name == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if name == "sqlite":
        return url.set(drivername="sqlite")
    raise SettingsInvalid(
        f"{name} is not supported",
        field="database_url",
        hint="take postgresql://user:password@host/database, or leave it out for SQLite",
    )


def open_database(settings: Settings) -> Engine:
    """A pool of connections; nothing is connected yet, except that SQLite's folder is made.

    Raises SettingsInvalid and OutputNotWritable.
    """
    url = database_url(settings)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=5, max_overflow=CONNECTIONS, pool_pre_ping=True)
    if settings.database_url is None:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise database_error(settings, error) from error
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS)
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def forget_deleted(engine: Engine) -> None:
    """Carries SQLite's write-ahead log over into the file and empties it: the log still holds the pages as
    they were before something was deleted. PostgreSQL reuses them by its own autovacuum."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def database_error(settings: Settings, error: Exception) -> ImagegenError:
    """`error` as the setting or the file it is about; without the password that a URL may hold."""
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    if settings.database_url is not None:
        reason = reason.replace(settings.database_url, "the URL")
        return SettingsInvalid(f"the jobs database cannot be used: {reason}", field="database_url")
    return OutputNotWritable(
        f"the jobs database cannot be written: {reason}",
        field=str(settings.data_dir / FILE),
        hint="set IMAGEGEN_DATA_DIR to a folder you may write to",
    )


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = "IMMEDIATE"  # a writer takes the lock at once instead of failing half-way
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "secure_delete=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
