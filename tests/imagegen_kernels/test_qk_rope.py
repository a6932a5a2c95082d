"""RMS normalisation of heads and rotary position embedding."""

import math

import pytest
import torch
from torch import Tensor

from imagegen_kernels import qk_rope
from imagegen_kernels.qk_rope import cpu, reference


def angles(s: int, d: int) -> tuple[Tensor, Tensor]:
    turn = torch.randn(s, d // 2) * 3
    return turn.cos(), turn.sin()


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.bfloat16, 2e-2), (torch.float64, 1e-6)]
)
@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize(
    ("batch", "s", "h", "g", "d"), [(1, 1, 1, 1, 2), (3, 7, 4, 2, 10), (2, 33, 6, 6, 64)]
)
def test_it_is_the_specification_in_float64(
    batch: int, s: int, h: int, g: int, d: int, interleaved: bool, dtype: torch.dtype, tolerance: float
) -> None:
    qk = torch.randn(batch, s, h + g, d).to(dtype)
    q_weight, k_weight = torch.randn(d).to(dtype), torch.randn(d).to(dtype)
    cos, sin = angles(s, d)
    got = qk_rope(qk, h, q_weight, k_weight, cos, sin, 1e-6, interleaved=interleaved)
    exact = reference.qk_rope(
        qk.double(),
        h,
        q_weight.double(),
        k_weight.double(),
        cos.double(),
        sin.double(),
        1e-6,
        interleaved,
    )
    for out, expected, count in zip(got, exact, (h, g), strict=True):
        assert (out.dtype, out.shape) == (dtype, (batch, s, count, d))
        torch.testing.assert_close(out.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("together", [True, False])
def test_long_bfloat16_heads_are_the_specification(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "LONG", 33)
    qkv = torch.randn(2, 33, 9, 64).bfloat16()
    qk = qkv[:, :, :6] if together else qkv[:, :, :6].transpose(1, 2).contiguous().transpose(1, 2)
    assert cpu.suits(qk, interleaved=True) == together
    (first, second), (cos, sin) = torch.randn(2, 64).bfloat16().unbind(), angles(33, 64)
    got = qk_rope(qk, 3, first, second, cos, sin, 1e-6, interleaved=True)
    wide = first.double(), second.double()
    exact = reference.qk_rope(qk.double(), 3, wide[0], wide[1], cos.double(), sin.double(), 1e-6, True)
    for out, expected in zip(got, exact, strict=True):
        torch.testing.assert_close(out.double(), expected, rtol=2**-8, atol=1e-5)
    alone = qk_rope(qk[1:], 3, first, second, cos, sin, 1e-6, interleaved=True)
    assert torch.equal(torch.cat(alone, 2), torch.cat(got, 2)[1:])


@pytest.mark.parametrize("interleaved", [True, False])
def test_the_specification_by_hand(interleaved: bool) -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 1, 1, 4)
    a, b = 0.3, -1.1
    turn = torch.tensor([[a, b]], dtype=torch.float64)
    weight = torch.tensor([1.0, 2.0, 1.0, 0.5], dtype=torch.float64)
    qk = torch.cat([x, x], dim=2)
    got, _ = reference.qk_rope(qk, 1, weight, weight, turn.cos(), turn.sin(), 0.0, interleaved)
    v = [n / math.sqrt(7.5) for n in (1.0, 4.0, 3.0, 2.0)]
    pairs = {0: (0, 1), 1: (2, 3)} if interleaved else {0: (0, 2), 1: (1, 3)}
    for i, angle in enumerate((a, b)):
        one, two = pairs[i]
        assert got[0, 0, 0, one].item() == pytest.approx(v[one] * math.cos(angle) - v[two] * math.sin(angle))
        assert got[0, 0, 0, two].item() == pytest.approx(v[two] * math.cos(angle) + v[one] * math.sin(angle))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("interleaved", [True, False])
def test_a_sample_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype, interleaved: bool) -> None:
    qkv = torch.randn(3, 997, 3 * 6 * 64).to(dtype)
    qk = qkv.view(3, 997, 18, 64)[:, :, :12]
    weight, (cos, sin) = torch.randn(64), angles(997, 64)
    together = qk_rope(qk, 6, weight, weight, cos, sin, interleaved=interleaved)
    for i in range(3):
        one = slice(i, i + 1)
        alone = qk_rope(qk[one], 6, weight, weight, cos, sin, interleaved=interleaved)
        assert torch.equal(alone[0], together[0][one])
        assert torch.equal(alone[1], together[1][one])


def test_what_does_not_fit_is_refused() -> None:
    qk, w, (cos, sin) = torch.zeros(2, 3, 4, 8), torch.ones(8), angles(3, 8)
    for call in (
        (qk, 4, w, w, cos, sin),
        (qk, 0, w, w, cos, sin),
        (qk[0], 2, w, w, cos, sin),
        (qk[..., :7], 2, w[:7], w[:7], cos, sin),
        (qk, 2, w, w, cos[:2], sin[:2]),
        (qk, 2, w, w, cos, sin[:, :3]),
        (qk, 2, w[:4], w, cos, sin),
    ):
        with pytest.raises(ValueError, match="qk_rope needs"):
            qk_rope(*call, interleaved=True)
