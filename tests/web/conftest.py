"""The server of tests/http, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.http.conftest import http, server, settings, studio

__all__ = ["http", "server", "settings", "studio"]

# Chromium as root in a closed network: no sandbox of its own, and no connections that nobody asked for.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")  # while it is open this thread has an event loop: batch tests fail then
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        message = "no chromium on this machine: the studio page is NOT tested (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=60_000)  # milliseconds: as long as the slowest machine may take
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()
