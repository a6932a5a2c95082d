"""imagegen models: what is installed, and what each model can make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.weights.catalog import ModelCard

models = typer.Typer(help="What models are installed, and what each can make.", no_args_is_help=True)


@models.command("list")
def list_installed(json: Json = False) -> None:
    """List the installed models."""
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import list_models

    cards = list_models(load_settings().models_dir)
    if json:
        print_json({"models": [_facts(card) for card in cards]})
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "native size", "steps", "on disk", "licence", box=SIMPLE)
    for card in cards:
        size = f"{card.width}x{card.height}"
        table.add_row(card.name, size, str(card.steps), f"{card.disk_bytes / 1e6:,.1f} MB", card.licence)
    Console().print(table)


@models.command("info")
def info(name: Annotated[str, typer.Argument(help="Name or folder of a model.")], json: Json = False) -> None:
    """Show all that is known of a model."""
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import find_model

    facts = _facts(find_model(name, load_settings().models_dir))
    if json:
        print_json(facts)
        return
    if facts["sizes"] is None:
        facts["sizes"] = f"any multiple of {facts['multiple']}"
    width = max(map(len, facts))
    for key, value in facts.items():
        typer.echo(f"{key:<{width}}  {value}")


def _facts(card: ModelCard) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(card), "path": str(card.path)}
