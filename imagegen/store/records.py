"""Small records in the database: statements in, rows out, failures in our own error tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, MetaData, Row, Table, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from imagegen.store.database import FILE, database_error, open_database

if TYPE_CHECKING:
    from imagegen.settings import Settings


class Records:
    """Tables in the database of these settings, made when they are missing. Safe to share between threads;
    `close()` it. Every method raises SettingsInvalid or OutputNotWritable when the database fails."""

    def __init__(self, settings: Settings, tables: MetaData) -> None:
        self._settings = settings
        self._engine = open_database(settings)
        try:
            tables.create_all(self._engine)
        except SQLAlchemyError:
            with self._named_errors():
                tables.create_all(self._engine)  # another process may have made them at the same moment

    def rows(self, query: Executable) -> Sequence[Row[Any]]:
        """Every row of a query."""
        with self._named_errors(), self._engine.connect() as connection:
            return connection.execute(query).all()

    def change(self, statement: Executable) -> int:
        """Carries a change out in a transaction of its own; how many rows it met."""
        with self.transaction() as connection:
            return connection.execute(statement).rowcount

    def insert_once(self, table: Table, **values: Any) -> bool:
        """False, and nothing changes, when a row with this key is there already."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(table), values)  # compiled once
        except IntegrityError:
            return False
        except SQLAlchemyError as error:
            raise database_error(self._settings, error) from error
        return True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Several statements that all count or none."""
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise database_error(self._settings, error) from error


def recorded_before(settings: Settings) -> bool:
    """False when nothing can be on record here, because there is no database yet."""
    return settings.database_url is not None or (settings.data_dir / FILE).is_file()
