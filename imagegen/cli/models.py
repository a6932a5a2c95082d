"""imagegen models: what is installed, what each model can make, and how one goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagegen.cli.import_models import import_, pull, quantize
from imagegen.cli.json_line import Json, print_json

if TYPE_CHECKING:
    from imagegen.engine.fitting import Policy
    from imagegen.weights.catalog import ModelCard
    from imagegen.weights.memory import Needs

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
    from imagegen.engine.memory import free_memory, on_gpu
    from imagegen.settings import load_settings
    from imagegen.weights.catalog import find_model
    from imagegen.weights.manifest import component_facts, component_folders
    from imagegen.weights.memory import BASE, memory_needs

    settings = load_settings()
    card = find_model(name, settings.models_dir)
    components = {folder.name: component_facts(folder) for folder in component_folders(card.path)}
    gpu, free = on_gpu(settings.device), free_memory(settings.device)
    needs = memory_needs(card, gpu=gpu)
    sizes = dict.fromkeys([(card.width, card.height), (512, 512), (1024, 1024)])
    memory = {
        f"{width}x{height}": ((0 if gpu else BASE) + needs.peak(width, height), width, height)
        for width, height in sizes
        if card.supports(width, height)
    }
    facts = _facts(card)
    if json:
        bytes_of = {size: needed for size, (needed, _, _) in memory.items()}
        print_json({**facts, "components": components, "memory_bytes": bytes_of, "free_bytes": free})
        return
    if facts["sizes"] is None:
        facts["sizes"] = f"any multiple of {facts['multiple']}"
    for component, parts in components.items():
        kinds = ", ".join(f"{kind} {part['bytes'] / 1e6:,.1f} MB" for kind, part in parts["formats"].items())
        facts[component] = f"{parts['weights'] / 1e6:,.1f} M weights, {kinds}"
    for size, (needed, width, height) in memory.items():
        place = "the GPU" if gpu else "a CPU"
        verdict = _verdict(needs, width, height, free, settings.text_encoder)
        facts[f"memory {size}"] = f"{needed / 1e9:,.2f} GB on {place}, about{verdict}"
    width = max(map(len, facts))
    for key, value in facts.items():
        typer.echo(f"{key:<{width}}  {value}")


def _verdict(needs: Needs, width: int, height: int, free: int | None, policy: Policy) -> str:
    """Whether a picture would be made now, and at what price."""
    from imagegen.engine.fitting import fit
    from imagegen.errors import OutOfMemory

    if free is None:
        return ""
    try:
        fitting = fit(needs, width, height, free=free, policy=policy)
    except OutOfMemory as error:
        return f"; {free / 1e9:,.2f} GB are free: {error.hint}"
    evicted = "" if fitting.keep_text_encoder else ", the text encoder let go after its work"
    return f"; fits into the {free / 1e9:,.2f} GB that are free{evicted}"


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
