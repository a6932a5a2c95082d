"""One JSON object a line, and no prompt in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from imagegen.logs import set_up_logging
from imagegen.settings import load_settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_carry_what_was_passed_beside_the_message() -> None:
    stream = io.StringIO()
    set_up_logging(load_settings(log_format="json", log_level="info"), stream)
    log = logging.getLogger("imagegen.test")
    log.info("made\nit", extra={"request_id": "req_1", "colour": "rød\x1b[31m"})
    log.debug("not this")
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "imagegen.test", "made\nit")
    assert first["colour"] == "rød\x1b[31m"
    assert first["time"].endswith("+00:00")
    assert "ValueError: broken" in second["traceback"]
    assert "\x1b" not in stream.getvalue()


def test_text_shows_warnings_only() -> None:
    stream = io.StringIO()
    set_up_logging(load_settings(), stream)
    logging.getLogger("imagegen.test").info("not this")
    logging.getLogger("imagegen.test").warning("this")
    assert stream.getvalue() == "WARNING imagegen.test: this\n"
