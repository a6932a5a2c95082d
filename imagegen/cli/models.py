"""imagegen models: what is installed, what each model can make, and how one goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.import_models import import_, pull, quantize
from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.weights.catalog import ModelCard

models = typer.Typer(help="What models are installed, and what each can make.", no_args_is_help=True)
models.command("import")(import_)
models.command("pull")(pull)
models.command("quantize")(quantize)

Name = Annotated[str, typer.Argument(help="Name or folder of a model.")]


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
def info(name: Name, json: Json = False) -> None:
    """Show all that is known of a model: sizes, formats, the memory it needs, licence and source."""
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import find_model
    from imagegen.weights.manifest import COMPONENTS, component_facts
    from imagegen.weights.memory import memory_needed

    card = find_model(name, load_settings().models_dir)
    components = {component: component_facts(card.path / component) for component in COMPONENTS}
    sizes = [side for side in (card.width, 512, 1024) if card.supports(side, side)]
    memory = {f"{side}x{side}": memory_needed(card, components, side, side) for side in dict.fromkeys(sizes)}
    facts = _facts(card)
    if json:
        print_json({**facts, "components": components, "memory_bytes": memory})
        return
    if facts["sizes"] is None:
        facts["sizes"] = f"any multiple of {facts['multiple']}"
    for component, parts in components.items():
        kinds = ", ".join(f"{kind} {part['bytes'] / 1e6:,.1f} MB" for kind, part in parts["formats"].items())
        facts[component] = f"{parts['weights'] / 1e6:,.1f} M weights, {kinds}"
    for size, needed in memory.items():
        facts[f"memory {size}"] = f"{needed / 1e9:,.2f} GB on a CPU, about"
    width = max(map(len, facts))
    for key, value in facts.items():
        typer.echo(f"{key:<{width}}  {value}")


@models.command("verify")
def verify_(name: Name, json: Json = False) -> None:
    """Compare every file of a model with the hash that was written down when it came in."""
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import find_model
    from imagegen.weights.verify import verify

    card = find_model(name, load_settings().models_dir)
    files = verify(card)
    if json:
        print_json({"name": card.name, "verified": list(files)})
        return
    typer.echo(f"{card.name}: {len(files)} files are as they were")


@models.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a model's files. The bundled model stays."""
    from imagegen.errors import Cancelled
    from imagegen.settings import load_settings
    from imagegen.weights.remove import remove_model

    settings = load_settings()
    try:
        wanted = yes or typer.confirm(f"Delete the model {name} in {settings.models_dir}?")
    except typer.Abort:  # nobody is there to answer
        wanted = False
    if not wanted:
        raise Cancelled("nothing was removed", hint="--yes does not ask")
    freed = remove_model(name, settings.models_dir)
    typer.echo(f"{name} is removed, {freed / 1e6:,.1f} MB are free")


def _facts(card: ModelCard) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(card), "path": str(card.path)}
