"""imagegen doctor: what this machine can do, and which way each kernel would go."""

from __future__ import annotations

import typer

from imagegen.cli.json_line import Json, print_json


def doctor(json: Json = False) -> None:
    """Show what this machine can do and which path each kernel would take."""
    from imagegen.cli.machine import survey
    from imagegen.settings import load_settings

    facts = survey(load_settings())
    if json:
        print_json(facts)
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=SIMPLE, show_header=False)
    for name in (
        "imagegen",
        "python",
        "torch",
        "cpu",
        "memory",
        "gpu",
        "device",
        "tiles",
        "data",
        "models",
        "default",
        "cut-outs",
        "upscalers",
    ):
        table.add_row(name, Text(facts[name] if isinstance(facts[name], str) else ", ".join(facts[name])))
    console.print(table)
    kernels = Table("kernel", "goes by", "because", box=SIMPLE)
    for kernel in facts["kernels"]:
        kernels.add_row(kernel["op"], kernel["implementation"], Text(kernel["why"]))
    console.print(kernels)
    for problem in facts["problems"]:
        typer.echo(f"problem: {problem}", err=True)
