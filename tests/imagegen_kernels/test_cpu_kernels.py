"""Passes compiled for the CPU: the odd numbers; the ordinary ones are tested with the ops that run them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from imagegen_kernels import cpu_kernels, threads
from imagegen_kernels.quantize import reference


def softmax(scores: Tensor) -> Tensor:
    out = scores.clone()
    threads.run(cpu_kernels.softmax.address, len(out), 2, out.shape[1], out)
    return out


@pytest.mark.parametrize("columns", [1, 15, 16, 97])
def test_softmax_is_exact_to_bfloat16(columns: int) -> None:
    scores = (8 * torch.randn(33, columns)).bfloat16()
    exact = scores.double().softmax(-1)
    torch.testing.assert_close(softmax(scores).double(), exact, rtol=2**-8, atol=1e-30)


def test_softmax_of_extreme_scores() -> None:
    low, high = torch.finfo(torch.bfloat16).min, torch.finfo(torch.bfloat16).max
    rows = [[high, 0.0, low], [low, low, low], [-torch.inf, 3.0, 3.0], [-200.0, -201.0, -500.0]]
    scores = torch.tensor(rows).bfloat16()
    torch.testing.assert_close(softmax(scores), scores.float().softmax(-1).bfloat16(), rtol=2**-7, atol=1e-30)


def test_softmax_of_a_number_that_is_none_is_none() -> None:
    scores = torch.randn(3, 40).bfloat16()
    scores[1, 7] = torch.nan
    found = softmax(scores)
    assert found[1].isnan().all()
    assert not found[::2].isnan().any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_quantising_strided_zero_huge_and_broken_tokens(dtype: torch.dtype) -> None:
    x = torch.randn(7, 300).to(dtype)[:, :200]
    x[1], x[2], x[3, 5] = 0, x[2] * 1e30, torch.nan
    codes, scale = torch.empty(7, 200, dtype=torch.int8), torch.empty(7)
    sizes = 200, dtype == torch.bfloat16, x.stride(0)
    threads.run(cpu_kernels.quantize.address, 7, 2, *sizes, x, codes, scale)
    expected, expected_scale = reference.quantize(x)
    sound = torch.arange(7) != 3
    assert torch.equal(codes[sound], expected[sound])
    assert torch.equal(scale[sound], expected_scale[sound, 0])
    assert scale[3].isnan()


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    namespace: dict[str, Any] = dict(vars(cpu_kernels))
    source = "def fill(address):\n    carray(pointer(carray(address, 16, I64)[4]), 1, F32)[0] = F32(7)\n"
    exec(compile(source, "<in no file>", "exec"), namespace)
    out = torch.zeros(1)
    compiled = namespace["compiled"](namespace["fill"])
    threads.run(compiled.address, 1, 1, out)
    assert out.item() == 7
