"""imagegen webhooks: who is told when a job ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.json_line import Json, print_json
from imagegen.cli.table import print_table

if TYPE_CHECKING:
    from imagegen.webhooks import Delivery
    from imagegen.webhooks.deliver import Deliverer

webhooks = typer.Typer(help="Who is told when a job ends, and what nobody took.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The endpoint's id, wh_...")]


@webhooks.command("add")
def add(
    url: Annotated[str, typer.Argument(help="https, on the public internet.")], json: Json = False
) -> None:
    """Make an endpoint and show its secret, once."""
    with _deliverer() as deliverer:
        endpoint = deliverer.records.add("", url)
    _show_secret(endpoint.id, endpoint.secret, json)


@webhooks.command("rotate")
def rotate(id: Id, json: Json = False) -> None:
    """Give an endpoint a new secret and show it, once; the old one signs too for a day."""
    with _deliverer() as deliverer:
        endpoint = deliverer.records.rotate(id)
    _show_secret(endpoint.id, endpoint.secret, json)


@webhooks.command("remove")
def remove(id: Id) -> None:
    """Take an endpoint away with the record of what was sent to it."""
    with _deliverer() as deliverer:
        deliverer.records.remove(id)


@webhooks.command("list")
def list_endpoints(json: Json = False) -> None:
    """List the endpoints, without secrets."""
    with _deliverer() as deliverer:
        found = deliverer.records.endpoints()
    facts = [
        {"id": each.id, "owner": each.owner, "url": each.url, "disabled": each.disabled} for each in found
    ]
    if json:
        print_json({"webhooks": facts})
        return
    rows = [
        [each["id"] or "", each["owner"] or "local", each["disabled"] or "", each["url"] or ""]
        for each in facts
    ]
    print_table(["webhook", "key", "disabled because", "url"], rows)


@webhooks.command("deliveries")
def deliveries(
    id: Id,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters: what nobody took.")] = False,
    json: Json = False,
) -> None:
    """Show what was sent to an endpoint, newest first, and how it went."""
    from imagegen.webhooks import DeliveryState

    with _deliverer() as deliverer:
        endpoint = deliverer.records.known(id)
        found = deliverer.records.deliveries(endpoint.id, DeliveryState.DEAD if dead else None, limit=200)
    if json:
        print_json({"deliveries": [_facts(each) for each in found]})
        return
    rows = [
        [each.id, each.state.value, str(each.attempts), str(each.status or ""), each.job, each.error or ""]
        for each in found
    ]
    print_table(["delivery", "state", "attempts", "answer", "job", "error"], rows)


@webhooks.command("retry")
def retry(
    id: Id,
    delivery: Annotated[str, typer.Argument(help="The dead letter's id, msg_...")],
    json: Json = False,
) -> None:
    """Send a dead letter once more, now. This command speaks to the endpoint's machine."""
    from imagegen.errors import WebhookNotFound

    with _deliverer() as deliverer:
        endpoint = deliverer.records.known(id)
        found = deliverer.records.delivery(delivery, endpoint.id)
        if found is None:
            raise WebhookNotFound(f"there is no delivery {delivery!r}", field="delivery")
        after = deliverer.retry(endpoint, found)
    if json:
        print_json(_facts(after))
        return
    typer.echo(f"{after.state.value} ({after.status or after.error})")


@contextmanager
def _deliverer() -> Iterator[Deliverer]:
    from imagegen.settings import load_settings
    from imagegen.webhooks.telling import telling

    with telling(load_settings()) as deliverer:
        yield deliverer


def _show_secret(id: str, secret: str, json: bool) -> None:
    if json:
        print_json({"id": id, "secret": secret})
        return
    typer.echo(secret)
    typer.echo(f"This is the secret of {id}. It is not shown again.", err=True)


def _facts(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "error": delivery.error,
        "job": delivery.job,
        "type": delivery.type,
    }
