"""Adaptive layer normalisation."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels import modulate
from imagegen_kernels.modulate import reference

VECTORS = [(3, 1, 96), (1, 1, 96), (96,)]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.bfloat16, 2e-2), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize("shape", VECTORS)
def test_it_is_the_specification_in_float64(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    x, shift, scale = (
        t.to(dtype) for t in (torch.randn(3, 7, 96) * 3 + 1, torch.randn(shape), torch.randn(shape))
    )
    got = modulate(x, shift, scale)
    assert got.dtype == dtype
    exact = reference.modulate(x.double(), shift.double(), scale.double(), 1e-6)
    torch.testing.assert_close(got.double(), exact, rtol=tolerance, atol=tolerance)


def test_the_specification_by_hand() -> None:
    x = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
    got = reference.modulate(x, torch.tensor([10.0, 20.0]), torch.tensor([0.0, 1.0]), eps=0.0)
    assert got.tolist() == [[[9.0, 22.0]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shared", [False, True])
def test_a_sample_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype, shared: bool) -> None:
    x = torch.randn(3, 97, 333).to(dtype)
    shift, scale = (torch.randn(1 if shared else 3, 1, 333).to(dtype) for _ in range(2))
    together = modulate(x, shift, scale)

    def of(vector: Tensor, i: int) -> Tensor:
        return vector if shared else vector[i : i + 1]

    for i in range(3):
        assert torch.equal(modulate(x[i : i + 1], of(shift, i), of(scale, i)), together[i : i + 1])


def test_it_has_no_gradient_and_leaves_its_input() -> None:
    x = torch.randn(2, 3, 8, requires_grad=True)
    before = x.detach().clone()
    assert not modulate(x, torch.zeros(8), torch.zeros(8)).requires_grad
    assert torch.equal(x, before)


@pytest.mark.parametrize("wrong", [(7,), (2, 96), (2, 1, 96), (3, 7, 96), (3, 1, 1)])
def test_what_does_not_fit_is_refused(wrong: tuple[int, ...]) -> None:
    x, good, bad = torch.randn(3, 7, 96), torch.randn(96), torch.randn(wrong)
    for shift, scale in ((good, bad), (bad, good)):
        with pytest.raises(ValueError, match=r"\[B, 1, D\], \[1, 1, D\] or \[D\], not \[3, 7, 96\]"):
            modulate(x, shift, scale)
    with pytest.raises(ValueError, match=r"not \[7, 96\]"):
        modulate(x[0], good, good)
