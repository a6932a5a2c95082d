"""imagegen models: what is installed."""

from __future__ import annotations

import io
import shutil
import sys
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


def test_a_models_parts_and_memory_are_said(imagegen: Imagegen, installed: str) -> None:
    facts = imagegen("models", "info", installed, "--json").json()
    assert facts["components"]["transformer"]["formats"]["F32"]["weights"] == 1343872
    assert set(facts["memory_bytes"]) == {"64x64", "512x512", "1024x1024"}
    assert facts["memory_bytes"]["512x512"] < facts["memory_bytes"]["1024x1024"]
    said = imagegen("models", "info", installed).out
    assert "memory 1024x1024" in said
    assert facts["free_bytes"] is None or "that are free" in said


def test_memory_that_is_short_is_said(
    imagegen: Imagegen, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagegen.engine.memory.free_memory", lambda device: 100_000_000)
    said = imagegen("models", "info", installed).out
    assert "0.10 GB are free: 256x256 would fit" in said


def test_a_model_comes_in_is_verified_and_goes_out(
    imagegen: Imagegen, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEGEN_DATA_DIR", str(tmp_path / "data"))
    done = imagegen("models", "import", tiny_checkpoint, "--name", "mine", "--format", "ternary", "--json")
    facts = done.json()
    assert (facts["name"], facts["layout"]) == ("mine", "diffusers")
    assert facts["path"] == str(tmp_path / "data" / "models" / "mine")
    assert "mine" in imagegen("models", "list").out
    assert "are as they were" in imagegen("models", "verify", "mine").out
    assert imagegen("models", "import", tiny_checkpoint, "--name", "mine").code == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    kept = imagegen("models", "remove", "mine")
    assert (kept.code, Path(facts["path"]).is_dir()) == (130, True), "nobody was there to answer"
    assert "MB are free" in imagegen("models", "remove", "mine", "--yes").out
    assert imagegen("models", "verify", "mine").code == 3
    assert imagegen("models", "remove", "starter", "--yes").code == 2


@pytest.mark.slow
def test_a_dense_model_is_quantised_with_a_report(imagegen: Imagegen, installed: str, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = imagegen(
        *("models", "quantize", installed, "--name", "q", "--format", "int4"), "--sheet", sheet, "--json"
    )
    facts = done.json()
    layer = facts["layers"]["transformer.single_transformer_blocks.0.attn.to_out"]
    assert (layer["format"], layer["group_size"]) == ("int4", 64)
    assert layer["snr_db"] == pytest.approx(20.9, abs=0.5), "a relative error of 9 %"
    assert [picture["seed"] for picture in facts["pictures"]] == [1, 2, 3]
    assert sheet.is_file()
    better = ("--name", "b", "--format", "int4", "--low-rank", "8", "--float-activations", "*.to_out")
    assert "without low rank" in imagegen("models", "quantize", installed, *better).out
    again = imagegen("models", "quantize", "q", "--name", "r")
    assert (again.code, "already" in again.err) == (4, True)
    warned = imagegen("models", "quantize", installed, "--name", "q", "--format", "ternary")
    assert "was not trained to be ternary" in warned.err
    assert (warned.code, "there is a model q already" in warned.err) == (2, True)


def test_a_format_that_is_none_is_refused(imagegen: Imagegen, tiny_checkpoint: Path) -> None:
    ended = imagegen("models", "import", tiny_checkpoint, "--name", "mine", "--format", "int3")
    assert ended.code == 2
    assert "keep, ternary, binary, int4, int8" in ended.err
    refused = imagegen("models", "quantize", "starter", "--name", "q", "--format", "int8", "--low-rank", "4")
    assert (refused.code, "corrects int4 only" in refused.err) == (2, True)


def test_an_unknown_model_is_exit_code_3(imagegen: Imagegen, installed: str) -> None:
    ended = imagegen("models", "info", "nobody")
    assert ended.code == 3
    assert "tiny" in ended.err or installed in ended.err
