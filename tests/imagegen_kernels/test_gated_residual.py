"""Gated residual sum."""

import pytest
import torch

from imagegen_kernels import gated_residual
from imagegen_kernels.gated_residual import reference


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2), (torch.float64, 1e-14)]
)
@pytest.mark.parametrize("shape", [(3, 1, 33), (1, 1, 33), (33,)])
def test_it_is_the_specification_in_float64(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    x, gate, y = (t.to(dtype) for t in (torch.randn(3, 7, 33), torch.randn(shape), torch.randn(3, 7, 33)))
    got = gated_residual(x, gate, y)
    assert got.dtype == dtype
    exact = reference.gated_residual(x.double(), gate.double(), y.double())
    torch.testing.assert_close(got.double(), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sample_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype) -> None:
    x, y, gate = (torch.randn(3, s, 333).to(dtype) for s in (97, 97, 1))
    together = gated_residual(x, gate, y)
    for i in range(3):
        one = slice(i, i + 1)
        assert torch.equal(gated_residual(x[one], gate[one], y[one]), together[one])


def test_what_does_not_fit_is_refused() -> None:
    x = torch.zeros(2, 3, 8)
    for gate, y in ((torch.zeros(7), x), (torch.zeros(3, 1, 8), x), (torch.zeros(8), x[:1])):
        with pytest.raises(ValueError, match=r"gated_residual needs x, y \[B, S, D\]"):
            gated_residual(x, gate, y)
    with pytest.raises(ValueError, match=r"not \[3, 8\], \[3, 8\] and \[8\]"):
        gated_residual(x[0], torch.zeros(8), x[0])
