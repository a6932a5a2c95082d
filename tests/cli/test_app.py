"""The entry: help, version, errors, and what starting costs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegen import __version__
from imagegen.cli.exit_codes import EXIT_CODES
from imagegen.errors import ImagegenError

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = ("generate", "batch", "finish", "check", "inspect", "presets", "serve", "models", "doctor")


def errors(kind: type[ImagegenError] = ImagegenError) -> Iterator[type[ImagegenError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from errors(child)


def test_help_names_every_command_and_every_exit_code(imagegen: Callable[..., Any]) -> None:
    ended = imagegen("--help")
    assert ended.code == 0
    assert all(command in ended.out for command in COMMANDS)
    assert all(
        re.search(rf"^ *{code}  {re.escape(text[:20])}", ended.out, re.M) for code, text in EXIT_CODES.items()
    )


def test_every_error_has_a_documented_exit_code() -> None:
    assert {error.exit_code for error in errors()} | {0} == set(EXIT_CODES)


def test_the_guide_has_the_same_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", DOCS.read_text(encoding="utf-8"), re.M)
    assert {int(code): text for code, text in rows} == EXIT_CODES


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_in_the_guide(imagegen: Callable[..., Any], command: str) -> None:
    ended = imagegen(command, "--help")
    assert ended.code == 0
    options = set(re.findall(r"--[a-z][a-z-]*", ended.out)) - {"--help"}
    guide = DOCS.read_text(encoding="utf-8")
    assert f"imagegen {command}" in guide
    assert [option for option in options if option not in guide] == []


def test_the_version(imagegen: Callable[..., Any]) -> None:
    ended = imagegen("--version")
    assert (ended.code, ended.out) == (0, f"imagegen {__version__}\n")


def test_nothing_asked_shows_the_help_page(imagegen: Callable[..., Any]) -> None:
    ended = imagegen()
    assert ended.code == 2
    assert "Usage: imagegen" in ended.out


@pytest.mark.parametrize("arguments", [("frobnicate",), ("generate", "--nonsense"), ("generate", "bag")])
def test_a_wrong_command_line_is_exit_code_2(
    imagegen: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    ended = imagegen(*arguments)
    assert ended.code == 2
    assert ended.err.startswith("imagegen: ")
    assert ended.out == ""
    assert imagegen(*arguments, "--json").json()["error"]["exit_code"] == 2


def test_an_unknown_setting_is_named(imagegen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGEN_NONSENSE", "1")
    ended = imagegen("models", "list")
    assert ended.code == 2
    assert "IMAGEGEN_NONSENSE" in ended.err


def test_what_nobody_foresaw_is_exit_code_1(
    imagegen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the moon fell down")

    monkeypatch.setattr("imagegen.weights.catalog.list_models", fail)
    ended = imagegen("models", "list", "--json")
    assert ended.code == 1
    assert ended.json()["error"]["message"] == "the moon fell down"
    assert "Traceback" in ended.err


def test_a_reader_that_goes_away_is_no_defect(environment: dict[str, str]) -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from imagegen.cli.app import main; sys.exit(main())",
        "--help",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
    assert b"Traceback" not in complaint


def test_the_command_line_is_read_without_torch() -> None:
    probe = (
        "import sys\n"
        "from imagegen.cli.app import main\n"
        "for arguments in (['--help'], ['generate', '--help'], ['generate', '', '-o', 'x.png']):\n"
        "    sys.argv = ['imagegen', *arguments]\n"
        "    main()\n"
        "heavy = {'torch', 'numpy', 'PIL', 'cv2', 'onnxruntime', 'rembg', 'dbos', 'sqlalchemy', 'fastapi'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
