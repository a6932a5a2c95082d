"""The proof that a card has to give first holds where the kernels are right, and fails where one is not."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels import card, proof
from imagegen_kernels.matmul import gpu
from imagegen_kernels.swiglu import gpu as swiglu


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter computes on the CPU what would run on the card."""
    device = torch.device
    monkeypatch.setattr(
        torch, "device", lambda kind, index=None: device("cpu") if kind == "cuda" else device(kind)
    )


def test_the_row_kernels_hold() -> None:
    assert proof.row_kernels_hold.__wrapped__(0)


def test_a_wrong_row_kernel_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = swiglu.swiglu
    monkeypatch.setattr(swiglu, "swiglu", lambda x, out: right(x, out).roll(1, dims=-1))
    assert not proof.row_kernels_hold.__wrapped__(0)


def test_the_product_is_exact_and_a_wrong_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        card, "tile", lambda product, device: card.Tile(tokens=128, rows=128, warps=4, stages=2)
    )
    assert gpu.is_exact.__wrapped__(0, "ternary", torch.float16)
    for name in ("linear", "linear_residual"):
        with monkeypatch.context() as patched:
            right = getattr(gpu, name)
            patched.setattr(gpu, name, lambda *x, right=right: right(*x).roll(1, dims=-1))
            assert not gpu.is_exact.__wrapped__(0, "ternary", torch.float16)
    right_swiglu = gpu.linear_swiglu

    def without_gates(x: Tensor, weight: gpu.Prepared, plain: Tensor, gated: Tensor) -> None:
        right_swiglu(x, weight, plain, gated.zero_()[:, :0])

    monkeypatch.setattr(gpu, "linear_swiglu", without_gates)
    assert not gpu.is_exact.__wrapped__(0, "ternary", torch.float16)
