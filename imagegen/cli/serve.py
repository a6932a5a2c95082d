"""imagegen serve: the HTTP API and the studio page."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to bind; beyond this machine only with API keys.", show_default="127.0.0.1"
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one.", show_default="8484")] = None,
) -> None:
    """Serve the HTTP API and the studio page until Ctrl-C."""
    from imagegen.settings import load_settings

    settings = load_settings(host=host, port=port)

    from imagegen.http.serve import serve as serve_http
    from imagegen.logs import set_up_logging

    set_up_logging(settings)
    serve_http(settings, on_listening=lambda url: typer.echo(f"imagegen serves {url}", err=True))
