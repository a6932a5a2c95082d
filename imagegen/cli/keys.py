"""imagegen keys: who may use the server, for what, and how much."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.json_line import Json, print_json
from imagegen.cli.table import print_table

if TYPE_CHECKING:
    from imagegen.keys import Key

keys = typer.Typer(help="API keys of the server: made, listed, revoked.", no_args_is_help=True)


class _Scope(StrEnum):
    GENERATE = "generate"
    FINISH = "finish"
    JOBS = "jobs"
    ADMIN = "admin"


class _Priority(StrEnum):
    INTERACTIVE = "interactive"
    BATCH = "batch"


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; shown in lists and in the audit log.")],
    scope: Annotated[
        list[_Scope] | None,
        typer.Option(
            help="What it opens; may be given several times.", show_default="generate, finish, jobs"
        ),
    ] = None,
    priority: Annotated[
        _Priority, typer.Option(help="Whose turn it is where several wait.")
    ] = _Priority.INTERACTIVE,
    rate: Annotated[int | None, typer.Option(help="Requests a minute.", show_default="no limit")] = None,
    quota: Annotated[int | None, typer.Option(help="Pictures a day (UTC).", show_default="no limit")] = None,
    waiting: Annotated[
        int | None, typer.Option(help="Jobs that may wait at once.", show_default="the server's")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it expires.", show_default="never")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key and show its secret, once. A server that runs without keys asks for them after a restart."""
    from imagegen.keys.records import KeyRecords
    from imagegen.settings import load_settings

    settings = load_settings()
    records = KeyRecords(settings)
    try:
        key, secret = records.create(
            name,
            scopes=[each.value for each in scope or (_Scope.GENERATE, _Scope.FINISH, _Scope.JOBS)],
            priority=priority.value,
            rate=rate,
            quota=quota,
            waiting=waiting,
            expires=None if days is None else time.time() + days * 86_400,
        )
    finally:
        records.close()
    _note("keys.create", key)
    if json:
        print_json({**_facts(key), "secret": secret})
        return
    typer.echo(secret)
    typer.echo(f"This is {key.id} for {key.name}. It is not kept and cannot be shown again.", err=True)


@keys.command("list")
def list_keys(json: Json = False) -> None:
    """List every key ever made, without secrets."""
    from imagegen.keys.records import KeyRecords
    from imagegen.settings import load_settings

    records = KeyRecords(load_settings())
    try:
        found = records.list()
    finally:
        records.close()
    if json:
        print_json({"keys": [_facts(key) for key in found]})
        return
    limits = ("rate", "quota", "waiting")
    rows = [
        [
            key.id,
            _state(key),
            " ".join(key.scopes),
            key.priority,
            *(str(getattr(key, limit) or "-") for limit in limits),
            _day(key.created),
            key.name,
        ]
        for key in found
    ]
    columns = ["key", "state", "scopes", "priority", "a minute", "a day", "waiting", "made", "name"]
    print_table(columns, rows)


@keys.command("revoke")
def revoke(id: Annotated[str, typer.Argument(help="The key's id, key_...")], json: Json = False) -> None:
    """End a key at once, on running servers too, and for good."""
    from imagegen.keys.records import KeyRecords
    from imagegen.settings import load_settings

    records = KeyRecords(load_settings())
    try:
        key = records.revoke(id)
    finally:
        records.close()
    _note("keys.revoke", key)
    if json:
        print_json(_facts(key))
        return
    typer.echo(f"{key.id} ({key.name}) opens nothing any more.", err=True)


def _note(action: str, key: Key) -> None:
    """Keys are made and ended for the audit log to show, whatever else the setting leaves out."""
    from imagegen.audit.log import AuditLog
    from imagegen.settings import load_settings

    log = AuditLog(load_settings())
    try:
        log.append("local", action, "done", {"key": key.id, "scopes": list(key.scopes)})
    finally:
        log.close()


def _facts(key: Key) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(key), "scopes": list(key.scopes), "state": _state(key)}


def _state(key: Key) -> str:
    if key.revoked is not None:
        return "revoked"
    return "works" if key.works_at(time.time()) else "expired"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
