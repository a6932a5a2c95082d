"""imagegen serve: a real process that says where it listens and leaves when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any


def test_it_says_where_it_listens_and_ends_politely(environment: dict[str, str]) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        "import sys; from imagegen.cli.app import main; sys.exit(main())",
    ]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as server:
        assert server.stderr is not None
        said = server.stderr.readline()
        try:
            url = said.split()[-1]
            with urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
                assert answer.status == 200
        finally:
            server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.stderr.read()
    assert server.returncode == 0
    assert said.startswith("imagegen serves http://127.0.0.1:")


def test_what_cannot_be_served_is_said(imagegen: Callable[..., Any]) -> None:
    ended = imagegen("serve", "--host", "0.0.0.0", "--port", "0")
    assert ended.code == 2
    assert "API key" in ended.err
    assert imagegen("serve", "--port", "70000").code == 2
