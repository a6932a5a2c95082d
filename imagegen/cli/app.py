"""The entry `imagegen`: the commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from imagegen import __version__
from imagegen.cli.audit import audit
from imagegen.cli.batch import batch
from imagegen.cli.check import check
from imagegen.cli.cutout import cutout
from imagegen.cli.doctor import doctor
from imagegen.cli.exit_codes import exit_code_table
from imagegen.cli.failure import as_json, as_text
from imagegen.cli.finish import finish
from imagegen.cli.generate import generate
from imagegen.cli.inspect import inspect
from imagegen.cli.json_line import print_json
from imagegen.cli.keys import keys
from imagegen.cli.models import models
from imagegen.cli.presets import presets
from imagegen.cli.recipes import recipes
from imagegen.cli.serve import serve
from imagegen.cli.tune import tune
from imagegen.cli.waiting import wait_briefly
from imagegen.cli.webhooks import webhooks
from imagegen.cli.worker import worker
from imagegen.errors import Cancelled, ImagegenError, InvalidRequest

app = typer.Typer(
    help="Your own product-photo studio, on your own machine: nothing you write or make leaves it.",
    epilog=exit_code_table(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    generate,
    batch,
    finish,
    cutout,
    check,
    inspect,
    presets,
    recipes,
    serve,
    worker,
    doctor,
    tune,
):
    app.command()(_command)
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
app.add_typer(webhooks, name="webhooks")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imagegen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options of `imagegen` itself."""


def main() -> int:
    """Runs the command line and returns its exit code."""
    wait_briefly()
    try:
        code = int(app(prog_name="imagegen", standalone_mode=False) or 0)
    except ImagegenError as error:
        return _report(error)
    except TyperException as error:
        message = error.format_message()
        if not message:  # nothing was asked; the help page has been shown
            return InvalidRequest.exit_code
        return _report(InvalidRequest(message, hint="imagegen --help shows what there is"))
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; the interpreter must not complain of it
        return 1
    # The last resort: even what nobody foresaw ends in the form that was asked for.
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return _report(ImagegenError(str(error) or type(error).__name__, hint="this is a defect: report it"))
    if code == Cancelled.exit_code:  # typer has turned Ctrl-C into this code
        return _report(Cancelled("stopped"))
    return code


def _report(error: ImagegenError) -> int:
    if "--json" in sys.argv:
        print_json({"error": as_json(error)})
    else:
        typer.echo(as_text(error), err=True)
    return error.exit_code
