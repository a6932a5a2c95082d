"""Endpoints and deliveries in the database. Secrets are kept as they are: signing needs them."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from imagegen.errors import WebhookNotFound
from imagegen.settings import Settings
from imagegen.store.records import Records
from imagegen.webhooks.addresses import check_url
from imagegen.webhooks.endpoint import (
    ROTATION_SECONDS,
    Delivery,
    DeliveryState,
    Endpoint,
    new_id,
    new_secret,
)

TABLES = MetaData()
_endpoints = Table(
    "imagegen_webhook_endpoints",
    TABLES,
    Column("id", String(32), primary_key=True),
    Column("owner", String(32), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("secret", String(100), nullable=False),
    Column("old_secret", String(100)),
    Column("old_until", Float),
    Column("created", Float, nullable=False),
    Column("disabled", Text),
)
_deliveries = Table(
    "imagegen_webhook_deliveries",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("endpoint", String(32), nullable=False, index=True),
    Column("job", String(200), nullable=False, index=True),
    Column("type", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("created", Float, nullable=False),
    Column("next_attempt", Float),
    Column("ended", Float),
)


class WebhookRecords:
    """Safe to share between threads; `close()` it. `owner` None stands for all of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._records = Records(settings, TABLES)

    def add(self, owner: str, url: str) -> Endpoint:
        """A new endpoint with a secret. Raises InvalidRequest(url)."""
        check_url(url, private=self._settings.private_addresses)
        endpoint = Endpoint(new_id(), owner, url, new_secret(), created=time.time())
        self._records.change(insert(_endpoints).values(_values(endpoint, _endpoints)))
        return endpoint

    def get(self, id: str, owner: str | None = None) -> Endpoint | None:
        rows = self._records.rows(select(_endpoints).where(_endpoints.c.id == id))
        endpoint = Endpoint(**rows[0]._mapping) if rows else None
        return endpoint if endpoint is not None and owner in (None, endpoint.owner) else None

    def known(self, id: str, owner: str | None = None) -> Endpoint:
        """The endpoint. Raises WebhookNotFound."""
        endpoint = self.get(id, owner)
        if endpoint is None:
            raise WebhookNotFound(f"there is no webhook {id[:64]!r}", field="webhook")
        return endpoint

    def endpoints(self, owner: str | None = None) -> list[Endpoint]:
        """Endpoints, oldest first."""
        query = select(_endpoints).order_by(_endpoints.c.created, _endpoints.c.id)
        if owner is not None:
            query = query.where(_endpoints.c.owner == owner)
        return [Endpoint(**row._mapping) for row in self._records.rows(query)]

    def rotate(self, id: str, owner: str | None = None) -> Endpoint:
        """Gives it a new secret; the one before signs too for a day. Raises WebhookNotFound."""
        old = self.known(id, owner)
        change = {
            "secret": new_secret(),
            "old_secret": old.secret,
            "old_until": time.time() + ROTATION_SECONDS,
        }
        self._records.change(update(_endpoints).where(_endpoints.c.id == id).values(change))
        return self.known(id)

    def remove(self, id: str, owner: str | None = None) -> None:
        """Takes an endpoint away with all its deliveries. Raises WebhookNotFound."""
        self.known(id, owner)
        with self._records.transaction() as connection:
            connection.execute(delete(_deliveries).where(_deliveries.c.endpoint == id))
            connection.execute(delete(_endpoints).where(_endpoints.c.id == id))

    def disable(self, id: str, reason: str) -> None:
        self._records.change(update(_endpoints).where(_endpoints.c.id == id).values(disabled=reason))

    def begin(self, delivery: Delivery) -> Delivery:
        """Puts a delivery on record; one of the same id is returned as it stands."""
        self._records.insert_once(_deliveries, **_values(delivery, _deliveries))
        found = self.delivery(delivery.id)
        return delivery if found is None else found

    def delivery(self, id: str, endpoint: str | None = None) -> Delivery | None:
        rows = self._records.rows(select(_deliveries).where(_deliveries.c.id == id))
        found = _delivery(rows[0]) if rows else None
        return found if found is not None and endpoint in (None, found.endpoint) else None

    def change(self, id: str, **values: Any) -> None:
        """Writes how a delivery stands now."""
        self._records.change(update(_deliveries).where(_deliveries.c.id == id).values(values))

    def deliveries(
        self, endpoint: str, state: DeliveryState | None = None, limit: int = 50
    ) -> list[Delivery]:
        """The latest deliveries, newest first."""
        query = select(_deliveries).where(_deliveries.c.endpoint == endpoint)
        if state is not None:
            query = query.where(_deliveries.c.state == state.value)
        query = query.order_by(_deliveries.c.created.desc(), _deliveries.c.id).limit(limit)
        return [_delivery(row) for row in self._records.rows(query)]

    def forget(self, job: str) -> None:
        """Takes away what was told of a job."""
        self._records.change(delete(_deliveries).where(_deliveries.c.job == job))

    def close(self) -> None:
        self._records.close()


def _values(record: Endpoint | Delivery, table: Table) -> dict[str, Any]:
    return {column.name: getattr(record, column.name) for column in table.columns}


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**{**row._mapping, "state": DeliveryState(row.state)})
