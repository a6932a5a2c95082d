"""RMS normalisation."""

import pytest
import torch

from imagegen_kernels import rms_norm
from imagegen_kernels.rms_norm import reference


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 8e-3)])
@pytest.mark.parametrize("shape", [(7,), (3, 1), (2, 5, 96), (1, 3, 2, 64)])
def test_it_is_the_specification_in_float64(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    x, weight = torch.randn(shape).to(dtype), torch.randn(shape[-1]).to(dtype)
    got = rms_norm(x, weight, eps=1e-6)
    assert got.dtype == dtype
    torch.testing.assert_close(
        got.double(), reference.rms_norm(x.double(), weight.double(), 1e-6), rtol=tolerance, atol=1e-6
    )


def test_the_specification_by_hand() -> None:
    x = torch.tensor([3.0, 4.0], dtype=torch.float64)
    got = reference.rms_norm(x, torch.tensor([1.0, 2.0], dtype=torch.float64), eps=0.5)
    torch.testing.assert_close(got, torch.tensor([3.0, 8.0], dtype=torch.float64) / 13**0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype) -> None:
    x, weight = torch.randn(3, 97, 333).to(dtype), torch.randn(333)
    together = rms_norm(x, weight)
    for i in range(3):
        assert torch.equal(rms_norm(x[i : i + 1], weight), together[i : i + 1])
    assert torch.equal(rms_norm(x[2, 9], weight), together[2, 9])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not torch.float32 \[2, 8\] and \[7\]"):
        rms_norm(torch.zeros(2, 8), torch.ones(7))
    with pytest.raises(ValueError, match=r"not torch.int32 \[2, 8\]"):
        rms_norm(torch.zeros(2, 8, dtype=torch.int32), torch.ones(8))
