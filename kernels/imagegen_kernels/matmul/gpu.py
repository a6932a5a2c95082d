"""Quantised matrix product on a GPU: int8 activations a token, weights unpacked as they are multiplied.

Binary and ternary weights stay packed, with a factor a group beside them (matmul/unpacking.py); int4 in
groups of whole runs too, with what folding makes of the sixteen codes in each group. Of other int4, and of
int8 with group scales, the folded int8 codes are kept. The integers are those of the reference, and so are
the bits of the result. No kernel here has run on a card yet: `is_exact` makes the first call prove it there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor

from imagegen_kernels import card
from imagegen_kernels.formats import (
    PackedWeight,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.gated_residual.reference import gated_residual
from imagegen_kernels.launch import assembly, launch
from imagegen_kernels.launch import suits as fits_rows
from imagegen_kernels.matmul import reference
from imagegen_kernels.matmul.unpacking import group_factors
from imagegen_kernels.modulate import Modulated
from imagegen_kernels.modulate import check as check_modulation
from imagegen_kernels.modulate.gpu import modulate_quantize
from imagegen_kernels.quantize.gpu import quantize
from imagegen_kernels.swiglu.reference import swiglu

RUN = 128
"""Columns whose codes share a run of bytes (formats/bits.py), and which a step multiplies."""

BAND = 8
"""Tiles of tokens that go through the weight together: what one reads is in the cache for the next."""


class Prepared(NamedTuple):
    """A weight (N, K) as the kernel reads it."""

    format: str
    """binary, ternary, int4 or int8"""
    packed: Tensor
    """uint8 [N, K/8], uint8 [N, K/4], uint8 [N, K/2] or int8 [N, K]"""
    factors: Tensor
    """int8 [K/128, N], what a run of codes is multiplied by; of int4 int32 [K/32, N], four words a run:
    the int8 of each nibble from 0 to 15; for int8 not read"""
    row_scale: Tensor
    """float32 [N]"""


class Residual(NamedTuple):
    """What a product is added to: before [M, N] + gate [M / sample or 1, N] * product."""

    before: Tensor
    gate: Tensor
    sample: int


def prepared(weight: PackedWeight) -> Prepared:
    """What `product` wants of a weight, made by the first call."""
    found = weight.prepared.get("gpu")
    if found is None:
        found = weight.prepared["gpu"] = _prepare(weight)
    return cast(Prepared, found)


def kind(weight: PackedWeight) -> str:
    """The format that its kernel reads: int8 where the codes are kept."""
    if weight.format in ("binary", "ternary") or (weight.format == "int4" and weight.group_size % RUN == 0):
        return weight.format
    return "int8"


def _prepare(weight: PackedWeight) -> Prepared:
    rows, columns = weight.shape
    if kind(weight) == "int4":
        row_scale = reference.fold(weight)[1]
        return Prepared("int4", weight.packed.contiguous(), nibble_tables(weight, row_scale), row_scale)
    if kind(weight) == "int8":
        codes, row_scale = reference.fold(weight)
        return Prepared("int8", codes.contiguous(), codes, row_scale)
    weight = weight.in_slots()
    if weight.group_size == columns:
        row_scale = weight.scales.float().view(rows)
        factors = torch.ones(columns // RUN, rows, dtype=torch.int8, device=weight.packed.device)
    else:
        row_scale, of_groups = group_factors(weight)
        factors = of_groups.repeat_interleave(weight.group_size // RUN, dim=1).T.contiguous()
    return Prepared(weight.format, weight.packed.contiguous(), factors, row_scale)


def nibble_tables(weight: PackedWeight, row_scale: Tensor) -> Tensor:
    """int32 [K/32, N] as `Prepared.factors` has them: `reference.fold` of each code that there could be."""
    scales = weight.scales.float()
    factors = scales / torch.where(row_scale == 0, 1, row_scale).unsqueeze(-1)
    codes = torch.arange(16, device=scales.device).add_(8).remainder_(16).sub_(8).float()
    zeros = 0 if weight.zero_points is None else weight.zero_points.unsqueeze(-1)
    # A code that a group does not have may be more than an int8 holds.
    folded = ((codes - zeros) * factors.unsqueeze(-1)).round_().clamp_(-128, 127).to(torch.int8)
    words = folded.view(torch.int32).repeat_interleave(weight.group_size // RUN, dim=1)
    return words.permute(1, 2, 0).reshape(-1, len(scales)).contiguous()


def product(
    codes: Tensor,
    token_scale: Tensor,
    weight: Prepared,
    out: Tensor,
    *,
    first: int = 0,
    bias: Tensor | None = None,
    swiglu: bool = False,
    residual: Residual | None = None,
    portable: bool = False,
) -> None:
    """int8 codes [M, K] with float32 scales [M, 1] times rows of the weight, from `first` on as many as `out`
    [M, n] has columns, into `out`, whose rows may lie apart.

    swiglu    n gates from row `first` on, then n values; `out` gets silu(gate) * value
    bias      [n], added; residual: what the result is added to, gated
    portable  leave out the inline assembly
    """
    from imagegen_kernels.matmul import gpu_kernels

    count, rows = out.shape
    if not count:
        return
    packed = weight.packed[first:]
    columns = codes.shape[1]
    follows = "-swiglu" if swiglu else "-residual" if residual is not None else ""
    tile = card.tile(weight.format + follows, codes.device)
    outputs = tile.rows // 2 if swiglu else tile.rows
    launch(
        gpu_kernels.product,
        -(-count // tile.tokens) * -(-rows // outputs),
        tile.warps,
        tile.stages,
        tokens=codes,
        token_scale=token_scale,
        packed=packed,
        factors=weight.factors[:, first:],
        row_scale=weight.row_scale[first:],
        bias=out if bias is None else bias,
        residual=out if residual is None else residual.before,
        gate=out if residual is None else residual.gate,
        out=out,
        count=count,
        rows=rows,
        columns=columns,
        factor_stride=weight.factors.stride(0),
        value_offset=rows,
        out_stride=out.stride(0),
        residual_stride=0 if residual is None else residual.before.stride(0),
        gate_stride=0 if residual is None or len(residual.gate) == 1 else residual.gate.stride(0),
        sample=1 if residual is None else residual.sample,
        BITS={"binary": 1, "ternary": 2, "int4": 4, "int8": 8}[weight.format],
        BIAS=bias is not None,
        SWIGLU=swiglu,
        GATED=residual is not None,
        RAGGED=columns % RUN != 0,
        TOKENS=tile.tokens,
        ROWS=tile.rows,
        BAND=BAND,
        ASSEMBLY=assembly() and not portable,
    )


def suits(x: Tensor, weight: PackedWeight) -> bool:
    """Whether `linear` takes these; says once why not. The first call with a format proves its kernel."""
    if not card.takes(x.device):
        return False
    if not fits_rows(x):
        card.say_reference(f"they do not take {x.dtype} [..., {x.shape[-1]}]")
        return False
    format = kind(weight)
    if not is_exact(x.device.index, format, x.dtype):
        card.say_reference(f"the {format} product is not exact on this card; please report it")
        return False
    return True


def linear(x: Tensor | Modulated, weight: Prepared, bias: Tensor | None = None) -> Tensor:
    """x [..., K] times the weight transposed, plus bias -> [..., N] in the dtype of x."""
    codes, token_scale, plain = _quantized(x)
    out = plain.new_empty(*plain.shape[:-1], len(weight.row_scale))
    product(_rows(codes), token_scale, weight, _rows(out), bias=bias)
    return out


def linear_swiglu(x: Tensor | Modulated, weight: Prepared, plain: Tensor, gated: Tensor) -> None:
    """As `linear` for x [B, S, K], with rows in three runs: the product with the first goes to `plain`
    [B, S, P], silu of the second's times the third's to `gated` [B, S, (N - P) / 2], which may be a slice."""
    ahead = plain.shape[2]
    codes, token_scale, _ = _quantized(x)
    if ahead:
        product(_rows(codes), token_scale, weight, _rows(plain))
    places = gated.flatten(0, 1)
    if places.data_ptr() != gated.data_ptr() or places.stride(-1) != 1:
        places = torch.empty_like(places)
    product(_rows(codes), token_scale, weight, places, first=ahead, swiglu=True)
    if places.data_ptr() != gated.data_ptr():
        gated.copy_(places.view(gated.shape))


def linear_residual(
    x: Tensor, weight: Prepared, before: Tensor, gate: Tensor, bias: Tensor | None = None
) -> Tensor:
    """before [B, S, N] + gate [B, 1, N], [1, 1, N] or [N] times what `linear` makes of x [B, S, K]."""
    _, sample, rows = before.shape
    out = torch.empty_like(before, memory_format=torch.contiguous_format)
    added = before.reshape(-1, rows)
    added = added if added.stride(-1) == 1 else added.contiguous()
    gates = gate.reshape(-1, rows).contiguous()
    codes, token_scale, _ = _quantized(x)
    residual = Residual(added, gates, sample)
    product(_rows(codes), token_scale, weight, _rows(out), bias=bias, residual=residual)
    return out


def _quantized(x: Tensor | Modulated) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, scales, and what x was made of."""
    if not isinstance(x, Modulated):
        return *quantize(x), x
    check_modulation(x.x, x.shift, x.scale)
    return *modulate_quantize(*x), x.x


def _rows(x: Tensor) -> Tensor:
    return x.view(-1, x.shape[-1])


@functools.cache
def is_exact(index: int, format: str, dtype: torch.dtype) -> bool:
    """Whether the product of this card gives the reference's bits, and with gates or a residual behind it the
    reference to rounding: tried once on 150 x 384 x 300."""
    generator = torch.Generator().manual_seed(0)
    x, dense, before = (
        torch.randn(2, 75, 384, generator=generator).to(dtype),
        torch.randn(300, 384, generator=generator) / 16,
        torch.randn(2, 75, 300, generator=generator).to(dtype),
    )
    dense *= torch.rand(300, 3, generator=generator).repeat_interleave(RUN, 1) + 0.5
    weight = _QUANTIZERS[format](dense)
    expected = reference.matmul(x, weight)
    device = torch.device("cuda", index)
    there = Prepared(format, *(part.to(device) for part in prepared(weight)[1:]))
    x, before = x.to(device), before.to(device)
    gate = before[:, :1].clone()
    plain, gated = x.new_empty(2, 75, 20), x.new_empty(2, 75, 140)
    linear_swiglu(x, there, plain, gated)
    added = linear_residual(x, there, before, gate)
    summed = gated_residual(before.cpu().float(), gate.cpu(), expected)
    return (
        torch.equal(linear(x, there).cpu(), expected)
        and torch.equal(plain.cpu(), expected[..., :20])
        and _close(gated, swiglu(expected[..., 20:].float()))
        and _close(added, summed)
    )


_QUANTIZERS: dict[str, Callable[[Tensor], PackedWeight]] = {
    "binary": quantize_binary,
    "ternary": quantize_ternary,
    "int4": functools.partial(quantize_int4, zero_points=True),
    "int8": quantize_int8,
}


def _close(got: Tensor, expected: Tensor) -> bool:
    """To the rounding of got's dtype, and float32's of what came before."""
    error = (got.cpu().float() - expected).abs().max()
    return bool(error <= 4 * torch.finfo(got.dtype).eps * expected.abs().max() + 1e-4)
