"""Miniatures whose transformer is exactly ternary or binary, dense, in diffusers layout; read only."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from imagegen.weights.importers.importing import Imported, Options, import_model
from imagegen_kernels.formats import dequantize, quantize_binary
from tests.weights.importers.writers import FILE, is_block_linear

Import = Callable[..., Imported]


@pytest.fixture(scope="session")
def ternary(packed_checkpoint: Path) -> Path:
    return packed_checkpoint.with_name("tiny-dequantized")


@pytest.fixture(scope="session")
def binary(ternary: Path) -> Path:
    folder = Path(shutil.copytree(ternary, ternary.with_name("tiny-binary")))
    state = load_file(folder / "transformer" / FILE)
    for name, tensor in state.items():
        if is_block_linear(name, tensor):
            state[name] = dequantize(quantize_binary(tensor))
    (folder / "transformer" / FILE).unlink()
    save_file(state, folder / "transformer" / FILE)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def imported(models: Path) -> Import:
    """`imported(source, rest=..., preview_decoder=..., format=...)` as the model "new"."""
    torch.set_num_threads(1)

    def run(
        source: Path, rest: Path | None = None, preview_decoder: Path | None = None, **options: object
    ) -> Imported:
        choices = Options(**options)  # type: ignore[arg-type]
        return import_model(source, "new", models, choices, rest, preview_decoder=preview_decoder)

    return run
