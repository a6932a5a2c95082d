"""imagegen models: what is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Imagegen = Callable[..., Any]


@pytest.fixture
def installed(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copytree(tiny_checkpoint, tmp_path / "models" / "small")
    monkeypatch.setenv("IMAGEGEN_MODELS_DIR", str(tmp_path / "models"))
    return "small"


def test_installed_models_are_listed(imagegen: Imagegen, installed: str) -> None:
    cards = imagegen("models", "list", "--json").json()["models"]
    assert [card["width"] for card in cards if Path(card["path"]).name == installed] == [64]
    assert "64x64" in imagegen("models", "list").out


def test_a_model_is_described(imagegen: Imagegen, installed: str) -> None:
    card = imagegen("models", "info", installed, "--json").json()
    assert (card["architecture"], card["width"], card["steps"]) == ("flux2-klein", 64, 4)
    assert "flux2-klein" in imagegen("models", "info", installed).out


def test_an_unknown_model_is_exit_code_3(imagegen: Imagegen, installed: str) -> None:
    ended = imagegen("models", "info", "nobody")
    assert ended.code == 3
    assert "tiny" in ended.err or installed in ended.err
