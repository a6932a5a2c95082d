"""SwiGLU gate."""

import math

import pytest
import torch

from imagegen_kernels import swiglu
from imagegen_kernels.swiglu import reference


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1.2e-2), (torch.float64, 1e-14)]
)
@pytest.mark.parametrize("shape", [(2,), (3, 10), (2, 5, 66), (1, 2, 3, 128)])
def test_it_is_the_specification_in_float64(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    x = (torch.randn(shape) * 4).to(dtype)
    got = swiglu(x)
    assert got.dtype == dtype
    assert tuple(got.shape) == (*shape[:-1], shape[-1] // 2)
    torch.testing.assert_close(got.double(), reference.swiglu(x.double()), rtol=tolerance, atol=1e-7)


def test_the_specification_by_hand() -> None:
    x = torch.tensor([1.0, -2.0, 3.0, 5.0], dtype=torch.float64)
    expected = [1 / (1 + math.exp(-1)) * 3, -2 / (1 + math.exp(2)) * 5]
    torch.testing.assert_close(reference.swiglu(x), torch.tensor(expected, dtype=torch.float64))


def test_large_gates_saturate() -> None:
    x = torch.tensor([[1e4, -1e4, 2.0, 2.0]])
    assert swiglu(x).tolist() == [[2e4, 0.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("m", [333, 1152])
def test_a_sample_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype, m: int) -> None:
    x = torch.randn(3, 97, 2 * m).to(dtype)
    together = swiglu(x)
    for i in range(3):
        assert torch.equal(swiglu(x[i : i + 1]), together[i : i + 1])


def test_a_slice_of_a_wider_projection_is_taken_as_it_lies() -> None:
    wide = torch.randn(2, 5, 100)
    before = wide.clone()
    assert torch.equal(swiglu(wide[..., 20:]), swiglu(wide[..., 20:].contiguous()))
    assert torch.equal(wide, before)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[..., 2M\], not torch.float32 \[2, 7\]"):
        swiglu(torch.zeros(2, 7))
    with pytest.raises(ValueError, match=r"not torch.int8 \[2, 8\]"):
        swiglu(torch.zeros(2, 8, dtype=torch.int8))
