"""Writing passes, compiling them and keeping their code."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from imagegen_kernels.passes import machine
from imagegen_kernels.passes.code import F32, Writer
from imagegen_kernels.passes.machine import Pass, compiled


def multiply(w: Writer) -> None:
    """x [M, K] times a number, to out."""
    columns, factor, x, out = w.integer(0), w.real(1), w.array(2, F32), w.array(3, F32)
    with w.rows() as i, w.loop(columns) as j:
        out[i * columns + j] = x[i * columns + j] * factor


def tripled(run: Pass, x: Tensor) -> Tensor:
    out = torch.full_like(x, torch.nan)
    run(len(x), x.shape[1], 3.0, x, out)
    return out


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (9, 37), (200, 8)])
def test_every_number_of_every_row_is_met(shape: tuple[int, int]) -> None:
    x = torch.randn(shape)
    assert torch.equal(tripled(compiled(2)(multiply), x), x * 3)


def test_code_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FOLDER", tmp_path / "kept")
    x = torch.randn(3, 5)
    assert torch.equal(tripled(Pass(multiply, 1), x), x * 3)
    (kept,) = (tmp_path / "kept").iterdir()
    monkeypatch.setattr(machine, "_improved", None)
    assert torch.equal(tripled(Pass(multiply, 1), x), x * 3)
    assert kept.name.startswith("multiply-")


@pytest.mark.parametrize("left", [0, 20, -1])
def test_code_that_is_not_whole_is_compiled_again(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "FOLDER", tmp_path)
    x = torch.randn(3, 5)
    assert torch.equal(tripled(Pass(multiply, 1), x), x * 3)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:left])
    assert torch.equal(tripled(Pass(multiply, 1), x), x * 3)
    assert kept.read_bytes() == whole


def test_another_pass_of_the_same_name_is_not_mistaken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "FOLDER", tmp_path)

    def written(w: Writer) -> None:
        columns, x, out = w.integer(0), w.array(2, F32), w.array(3, F32)
        with w.rows() as i, w.loop(columns) as j:
            out[i * columns + j] = -x[i * columns + j]

    written.__name__ = multiply.__name__
    x = torch.randn(3, 5)
    assert torch.equal(tripled(Pass(multiply, 1), x), x * 3)
    assert torch.equal(tripled(Pass(written, 1), x), -x)
    assert len([*tmp_path.iterdir()]) == 2


def test_where_nothing_can_be_written_it_is_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(machine, "FOLDER", tmp_path / "file" / "kept")
    x = torch.randn(3, 5)
    assert torch.equal(tripled(Pass(multiply, 1), x), x * 3)
