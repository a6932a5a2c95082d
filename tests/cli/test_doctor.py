"""imagegen doctor: what this machine can do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from imagegen_kernels.dispatch import describe

Imagegen = Callable[..., Any]


def test_the_machine_and_every_kernel_are_described(imagegen: Imagegen, tiny_checkpoint: Path) -> None:
    facts = imagegen("doctor", "--json").json()
    assert facts["torch"].startswith(torch.__version__)
    assert facts["device"] == "cpu"
    assert facts["default"] == str(tiny_checkpoint)
    assert [(k["op"], k["implementation"], k["why"]) for k in facts["kernels"]] == describe("cpu")
    assert not [problem for problem in facts["problems"] if "model" in problem]
    spoken = imagegen("doctor")
    assert spoken.code == 0
    assert all(kernel["op"] in spoken.out for kernel in facts["kernels"])


def test_what_is_wrong_is_said(imagegen: Imagegen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGEN_MODEL", "nobody")
    assert "nobody" in imagegen("doctor").err


def test_models_for_cut_outs_are_found(
    imagegen: Imagegen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"x")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    assert "u2netp: Apache-2.0" in imagegen("doctor", "--json").json()["cut-outs"]
