"""/v1/webhooks: who is told when a job ends; signed after Standard Webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from imagegen.errors import WebhookNotFound
from imagegen.http.audit_trail import note
from imagegen.http.schemas.webhooks import (
    DeliveryList,
    DeliveryObject,
    WebhookCreation,
    WebhookList,
    WebhookObject,
    WebhookWithSecret,
)
from imagegen.keys import Key
from imagegen.webhooks import Delivery, DeliveryState, Endpoint
from imagegen.webhooks.deliver import Deliverer
from imagegen.webhooks.records import WebhookRecords


def router(records: WebhookRecords, deliverer: Deliverer) -> APIRouter:
    routes = APIRouter(prefix="/v1/webhooks", tags=["jobs"])

    def mine(id: str, request: Request) -> Endpoint:
        return records.known(id, _owner(request))

    @routes.post("", status_code=201)
    def add_webhook(body: WebhookCreation, request: Request) -> WebhookWithSecret:
        """Makes an endpoint, which jobs can name. Its secret is shown this once."""
        endpoint = records.add(request.state.caller.id, body.url)
        note(request, webhook=endpoint.id)
        return _with_secret(endpoint)

    @routes.get("")
    def list_webhooks(request: Request) -> WebhookList:
        """The caller's endpoints, oldest first."""
        return WebhookList(data=[_endpoint(each) for each in records.endpoints(_owner(request))])

    @routes.get("/{id}")
    def get_webhook(id: str, request: Request) -> WebhookObject:
        """One endpoint."""
        return _endpoint(mine(id, request))

    @routes.post("/{id}/rotate")
    def rotate_secret(id: str, request: Request) -> WebhookWithSecret:
        """Gives it a new secret. For a day messages carry two signatures, of the new one and the old one."""
        return _with_secret(records.rotate(mine(id, request).id))

    @routes.delete("/{id}", status_code=204)
    def remove_webhook(id: str, request: Request) -> None:
        """Takes it away with the record of what was sent to it."""
        records.remove(mine(id, request).id)

    @routes.get("/{id}/deliveries")
    def list_deliveries(
        id: str,
        request: Request,
        state: Annotated[DeliveryState | None, Query(description="dead: nobody took it")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DeliveryList:
        """What was sent, newest first, and how it went."""
        found = records.deliveries(mine(id, request).id, state, limit)
        return DeliveryList(data=[_delivery(each) for each in found])

    @routes.post("/{id}/deliveries/{delivery}/retry")
    def retry_delivery(id: str, delivery: str, request: Request) -> DeliveryObject:
        """Sends a dead letter once more, now."""
        endpoint = mine(id, request)
        found = records.delivery(delivery, endpoint.id)
        if found is None:
            raise WebhookNotFound(f"there is no delivery {delivery[:64]!r}", field="delivery")
        return _delivery(deliverer.retry(endpoint, found))

    return routes


def _owner(request: Request) -> str | None:
    key: Key = request.state.caller
    return None if "admin" in key.scopes else key.id


def _endpoint(endpoint: Endpoint) -> WebhookObject:
    return WebhookObject(
        id=endpoint.id, url=endpoint.url, created_at=endpoint.created, disabled=endpoint.disabled
    )


def _with_secret(endpoint: Endpoint) -> WebhookWithSecret:
    return WebhookWithSecret(
        **_endpoint(endpoint).model_dump(), secret=endpoint.secret, old_secret_until=endpoint.old_until
    )


def _delivery(delivery: Delivery) -> DeliveryObject:
    return DeliveryObject(
        id=delivery.id,
        job=delivery.job,
        type=delivery.type,
        state=delivery.state.value,
        attempts=delivery.attempts,
        status=delivery.status,
        error=delivery.error,
        created_at=delivery.created,
        next_attempt_at=delivery.next_attempt,
        ended_at=delivery.ended,
    )
