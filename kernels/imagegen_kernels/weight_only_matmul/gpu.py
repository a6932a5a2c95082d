"""Weight-only product on a GPU: 16-bit activations, weights unpacked as they are multiplied.

Every format stays packed; a transposed copy of its scales is all that is made. The codes, less their zero
points, are exact in 16 bits and scales are applied to float32 sums, so it is off from the reference by the
order of those sums alone. Never run on a card yet: `holds` makes the first call prove it there.
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
    pack_ternary,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.formats.layout import BITS, Format
from imagegen_kernels.launch import assembly, launch
from imagegen_kernels.weight_only_matmul import reference

BAND = 8
"""Tiles of tokens that go through the weight together."""

FEW = 32
"""Up to so many tokens the tile for few is taken: reading the weight sets the pace there."""

STEPS = (128, 64, 32)
"""Columns multiplied at a time: the most that are of one group."""


class Prepared(NamedTuple):
    """A weight (N, K) as the kernel reads it."""

    format: Format
    packed: Tensor
    """[N, K * bits / 8]"""
    scales: Tensor
    """float16 [groups, N]"""
    zero_points: Tensor | None
    """int8 [groups, N]"""


def prepared(weight: PackedWeight) -> Prepared:
    """What `linear` wants of a weight, made by the first call."""
    found = weight.prepared.get("gpu_weight_only")
    if found is None:
        packed = pack_ternary(weight.codes) if weight.base3 else weight.packed.contiguous()
        zeros = None if weight.zero_points is None else weight.zero_points.T.contiguous()
        found = Prepared(weight.format, packed, weight.scales.T.contiguous(), zeros)
        weight.prepared["gpu_weight_only"] = found
    return cast(Prepared, found)


def linear(x: Tensor, weight: Prepared, bias: Tensor | None = None, *, portable: bool = False) -> Tensor:
    """x [..., K], float16 or bfloat16, times the weight transposed, plus bias -> [..., N] in the dtype of x;
    `portable` leaves out the inline assembly."""
    from imagegen_kernels.weight_only_matmul import gpu_kernels

    columns, (groups, rows) = x.shape[-1], weight.scales.shape
    out = x.new_empty(*x.shape[:-1], rows)
    tokens = x.reshape(-1, columns)
    tokens = tokens if tokens.stride(-1) == 1 else tokens.contiguous()
    count, size = len(tokens), columns // groups
    if not count:
        return out
    tile = card.tile("float-few" if count <= FEW else "float", x.device)
    step = _step(size) or STEPS[0]
    launch(
        gpu_kernels.product,
        -(-count // tile.tokens) * -(-rows // tile.rows),
        tile.warps,
        tile.stages,
        tokens=tokens,
        packed=weight.packed,
        scales=weight.scales,
        zero_points=weight.packed if weight.zero_points is None else weight.zero_points,
        bias=out if bias is None else bias,
        out=out,
        count=count,
        rows=rows,
        columns=columns,
        token_stride=tokens.stride(0),
        steps=max(size // step, 1),
        BITS=BITS[weight.format],
        BIAS=bias is not None,
        ZEROS=weight.zero_points is not None,
        ROW_SCALE=groups == 1,
        RAGGED=columns % step != 0,
        STEP=step,
        TOKENS=tile.tokens,
        ROWS=tile.rows,
        BAND=BAND,
        ASSEMBLY=assembly() and not portable,
    )
    return out


def suits(x: Tensor, weight: PackedWeight) -> bool:
    """Whether `linear` takes these; says once why not. The first call with a format proves its kernel."""
    if not card.takes(x.device):
        return False
    whole = weight.group_size == weight.shape[1]
    if x.dtype not in (torch.float16, torch.bfloat16) or not (whole or _step(weight.group_size)):
        card.say_reference(f"a weight-only product does not take {x.dtype} in groups of {weight.group_size}")
        return False
    if not holds(x.device.index, weight.format, x.dtype):
        card.say_reference(f"the weight-only {weight.format} product is wrong on this card; please report it")
        return False
    return True


def _step(group_size: int) -> int | None:
    """Columns of a step, or None where a group is no whole number of steps."""
    return next((step for step in STEPS if group_size % step == 0), None)


@functools.cache
def holds(index: int, format: Format, dtype: torch.dtype) -> bool:
    """Whether this card gives the reference to rounding, tried once on 12 and 150 tokens of 384 channels."""
    generator = torch.Generator().manual_seed(0)
    x, dense = (torch.randn(rows, 384, generator=generator) for rows in (150, 300))
    weight = _QUANTIZERS[format](dense)
    x = x.to(dtype)
    expected = reference.weight_only_matmul(x.float(), weight)
    device = torch.device("cuda", index)
    here = prepared(weight)
    zeros = None if here.zero_points is None else here.zero_points.to(device)
    there = Prepared(format, here.packed.to(device), here.scales.to(device), zeros)
    allowed = float(torch.finfo(dtype).eps * expected.abs().max()) + 1e-3
    return all(
        bool(((linear(x[:count].to(device), there).cpu().float() - expected[:count]).abs() <= allowed).all())
        for count in (12, 150)
    )


_QUANTIZERS: dict[Format, Callable[[Tensor], PackedWeight]] = {
    "binary": quantize_binary,
    "ternary": quantize_ternary,
    "int4": functools.partial(quantize_int4, zero_points=True),
    "int8": quantize_int8,
}
