"""The documentation runs: every command and program in it is carried out, or says why it is not.

A fenced `python` or `bash` block is preceded by a comment that a reader of the rendered page does not see:

    <!-- test: python -->              run in an empty folder
    <!-- test: shell -->               run by bash in an empty folder that has samples/ in it
    <!-- test: server -->              python or bash, with a live server in place of 127.0.0.1:8484
    <!-- test: skip because REASON -->
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagegen import Studio
from imagegen.http.durable import durable
from imagegen.settings import load_settings
from tests.http.live_server import serving

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/*.md")]
    if page.name != "CHANGELOG.md"
)
DEFAULT_URL = "http://127.0.0.1:8484"
LANGUAGES = {"python": "python", "bash": "bash", "sh": "bash", "shell": "bash", "console": "bash"}
MARK = re.compile(r"<!-- test: (python|shell|server|skip because .+) -->")
SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, the comment before it, and what it says."""

    page: str
    line: int
    language: str
    mark: str | None
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for fence in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", text, re.MULTILINE | re.DOTALL):
        language = LANGUAGES.get(fence[1])
        if language is None:
            continue
        before = text[: fence.start()].rstrip("\n").rpartition("\n")[2]
        mark = MARK.fullmatch(before.strip())
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(str(page.relative_to(ROOT)), line, language, mark[1] if mark else None, fence[2])


BLOCKS = [block for page in PAGES for block in blocks(page)]


def marked(mark: str) -> list[Block]:
    return [block for block in BLOCKS if block.mark == mark]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the settings a reader has: the bundled model, no keys."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"))
    with (
        Studio(settings) as studio,
        durable(studio, settings) as lasting,
        serving(studio, settings, lasting) as url,
    ):
        yield url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the samples in it, and a home of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return folder


def run_python(block: Block, code: str) -> None:
    exec(compile(code, str(block), "exec"), {"__name__": "__main__"})


def run_bash(block: Block, code: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


def test_there_is_something_to_run() -> None:
    assert {"README.md", "docs/quickstart.md"} <= {block.page for block in BLOCKS}
    assert marked("python")
    assert marked("shell")
    assert marked("server")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_says_how_it_is_tested(block: Block) -> None:
    assert block.mark is not None, f"{block} has no <!-- test: ... --> before it (see this test's docstring)"
    fits = {"python": block.language == "python", "shell": block.language == "bash"}
    assert fits.get(block.mark, True), f"{block} is {block.language} and marked {block.mark}"


@pytest.mark.parametrize("block", marked("python"), ids=str)
def test_python(block: Block, folder: Path) -> None:
    run_python(block, block.code)


@pytest.mark.parametrize("block", marked("shell"), ids=str)
def test_shell(block: Block, folder: Path) -> None:
    run_bash(block, block.code)


@pytest.mark.parametrize("block", marked("server"), ids=str)
def test_server(block: Block, folder: Path, url: str) -> None:
    assert DEFAULT_URL in block.code, f"{block} talks to no server"
    run = run_python if block.language == "python" else run_bash
    run(block, block.code.replace(DEFAULT_URL, url))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []
