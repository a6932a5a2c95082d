"""Softmax attention: masks, shared key heads, precision, independence of the batch."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels import attention
from imagegen_kernels.attention import cpu, reference


def heads(
    batch: int, h: int, g: int, s: int, t: int, d: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    q = torch.randn(batch, s, h, d).to(dtype).transpose(1, 2)
    k, v = (torch.randn(batch, t, g, d).to(dtype).transpose(1, 2) for _ in range(2))
    return q, k, v


@pytest.mark.parametrize(("h", "g", "s", "t", "d"), [(1, 1, 1, 1, 8), (6, 6, 97, 97, 64), (4, 2, 5, 33, 16)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.bfloat16, 3e-2)])
def test_it_is_the_specification_in_float64(
    h: int, g: int, s: int, t: int, d: int, masked: bool, dtype: torch.dtype, tolerance: float
) -> None:
    q, k, v = heads(2, h, g, s, t, d, dtype)
    mask = torch.rand(2, t) > 0.3 if masked else None
    for causal in (False, True) if s == t else (False,):
        got = attention(q, k, v, mask, causal)
        exact = reference.attention(q.double(), k.double(), v.double(), mask, causal)
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), exact, rtol=0, atol=tolerance)


def test_the_specification_is_softmax_by_hand() -> None:
    q, k, v = heads(1, 2, 1, 3, 3, 4, torch.float64)
    got = reference.attention(q, k, v, torch.tensor([[True, False, True]]), causal=True)
    for head in range(2):
        for i in range(3):
            seen = [j for j in range(i + 1) if j != 1]
            weights = torch.stack([(q[0, head, i] * k[0, 0, j]).sum() / 2 for j in seen]).exp()
            expected = sum(w * v[0, 0, j] for w, j in zip(weights / weights.sum(), seen, strict=True))
            assert isinstance(expected, Tensor)
            torch.testing.assert_close(got[0, head, i], expected)


def test_a_query_that_sees_no_key_gets_zero() -> None:
    q, k, v = heads(2, 2, 2, 4, 4, 8, torch.float32)
    mask = torch.tensor([[False] * 4, [True] * 4])
    for causal in (False, True):
        for run in (attention, reference.attention):
            out = run(q, k, v, mask, causal)
            assert not out[0].any()
            assert bool(out.isfinite().all())


def test_hidden_keys_change_nothing() -> None:
    q, k, v = heads(1, 2, 2, 7, 7, 8, torch.float32)
    mask = torch.arange(7)[None] < 4
    before = attention(q, k, v, mask)
    k[:, :, 4:], v[:, :, 4:] = 100.0, -100.0
    assert torch.equal(attention(q, k, v, mask), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_a_sample_does_not_depend_on_its_batch(threads: int, dtype: torch.dtype, masked: bool) -> None:
    q, k, v = heads(3, 6, 6, 97, 97, 64, dtype)
    mask = torch.rand(3, 97) > 0.3 if masked else None
    together = attention(q, k, v, mask)
    for i in range(3):
        one = slice(i, i + 1)
        assert torch.equal(
            attention(q[one], k[one], v[one], mask if mask is None else mask[one]), together[one]
        )


def test_what_does_not_fit_is_refused() -> None:
    q, k, v = heads(2, 4, 4, 3, 5, 8, torch.float32)
    with pytest.raises(ValueError, match=r"not q \[2, 4, 3, 8\], k \[2, 4, 5, 8\], v \[2, 4, 4, 8\]"):
        attention(q, k, v[:, :, :4])
    with pytest.raises(ValueError, match="multiple of the key heads"):
        attention(q[:, :3], k[:, :2], v[:, :2])
    with pytest.raises(ValueError, match=r"one floating point dtype, not torch\.float32, torch\.bfloat16"):
        attention(q, k.bfloat16(), v)
    with pytest.raises(ValueError, match="as many queries as keys"):
        attention(q, k, v, causal=True)
    for mask in (torch.ones(2, 3, dtype=torch.bool), torch.ones(2, 5)):
        with pytest.raises(ValueError, match=r"key_mask must be bool \[2, 5\]"):
            attention(q, k, v, mask)


@pytest.mark.skipif(not cpu.multiplies_bfloat16(), reason="this CPU has no bfloat16 dot product")
def test_long_bfloat16_attention_is_the_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "LONG", 48)
    monkeypatch.setattr(cpu, "SCORES", 48 * 96)
    qkv = torch.randn(2, 101, 9, 32).bfloat16()
    q, k, v = (qkv[:, :, 3 * i : 3 * i + 3].transpose(1, 2) for i in range(3))
    assert cpu.suits(q, k)
    got = attention(q, k, v)
    exact = reference.attention(q.double(), k.double(), v.double())
    assert (got.double() - exact).norm() / exact.norm() < 8e-3
    assert got.transpose(1, 2).is_contiguous()
    for i in range(2):
        one = slice(i, i + 1)
        assert torch.equal(attention(q[one], k[one], v[one]), got[one])
    assert not cpu.suits(q[:, :, :47], k)
    assert not cpu.suits(q.float(), k.float())
