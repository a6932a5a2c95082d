"""A stored tensor in one of our formats: without loss where it fits, quantised only where that was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from imagegen.weights.importers.low_rank import corrected
from imagegen.weights.importers.stored import Coded, Stored, Uneven
from imagegen_kernels.formats import (
    Format,
    PackedWeight,
    dequantize,
    pack_base3,
    pack_binary,
    pack_int4,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
    recognise,
)

ImportFormat = Literal["keep", "ternary", "binary", "int4", "int8"]
FORMATS: tuple[str, ...] = get_args(ImportFormat)

BLOCK = 1 << 23
"""Weights converted at a time: the float64 sums of 8 million take 64 MB, whatever the layer's size."""

GROUP = 128
"""Columns that share a scale in the binary and ternary checkpoints there are."""


@dataclass(frozen=True)
class Converted:
    """The tensors to store, by what follows the name of the dense one; the format and group size (None: the
    row) of a packed weight, and the error that quantising it made (0: it is exact). `error_without` is what
    it would be without a low-rank correction."""

    tensors: dict[str, Tensor]
    format: tuple[Format, int | None] | None
    error: float = 0.0
    error_without: float | None = None


class DoesNotFit(ValueError):
    """A tensor that no exact format holds; the message names the group."""


def keep(stored: Stored, exact: bool) -> Converted:
    """As it is. Codes stay codes; a dense weight stays dense, or with `exact` becomes binary or ternary.

    Codes of four bits or more that no format of ours holds become what the tool itself makes of them, if that
    is a 16-bit float. Raises DoesNotFit for anything else that would have to be rounded.
    """
    if exact and not isinstance(stored, Coded):
        dense = stored.dense if isinstance(stored, Uneven) else stored
        return _stored(_alike(_blocks(dense, lambda rows: _recognised(rows, GROUP))))
    if isinstance(stored, Tensor):
        return Converted({"": stored}, None)
    if isinstance(stored, Uneven):
        raise DoesNotFit(f"row 0, columns 0 to {stored.group_size - 1}: {stored.why}")
    try:
        return _stored(_alike(_coded_blocks(stored)))
    except DoesNotFit:
        if stored.bits < 4 or (dense := stored.dense()).dtype.itemsize != 2:
            raise
        return Converted({"": dense}, None)


def quantised(stored: Stored, format: Format, group_size: int | None, low_rank: int = 0) -> Converted:
    """In that format, with the least error that is easily found; without loss where it fits.

    `group_size` None is the format's own: 128 for binary and ternary, 64 for int4, the row for int8.
    `low_rank` above 0 corrects int4 by a pair of that rank (low_rank.py). Raises ValueError for a shape that
    the format does not hold.
    """
    if isinstance(stored, Coded):
        try:
            exact = _alike(_coded_blocks(stored))
        except DoesNotFit:
            pass
        else:
            if exact[0].format == format and group_size in (None, exact[0].group_size):
                return _stored(exact)
        dense = stored.dense()
    else:
        dense = stored.dense if isinstance(stored, Uneven) else stored
    columns = dense.shape[1]
    size = group_size or {"binary": GROUP, "ternary": GROUP, "int4": 64, "int8": columns}[format]
    quantise: dict[str, Callable[[Tensor], PackedWeight]] = {
        "binary": lambda rows: quantize_binary(rows, size),
        "ternary": lambda rows: quantize_ternary(rows, size),
        "int4": lambda rows: quantize_int4(rows, size, zero_points=True),
        "int8": lambda rows: quantize_int8(rows, size),
    }
    if low_rank and format == "int4":
        found = corrected(dense, low_rank, lambda whole: _blocks(whole, quantise["int4"]))
        packed = _stored(found.blocks, found.error)
        pair = {".low_rank_down": found.down, ".low_rank_up": found.up}
        return replace(packed, tensors=packed.tensors | pair, error_without=found.error_without)
    changed = energy = 0.0

    def block(rows: Tensor) -> PackedWeight:
        nonlocal changed, energy
        weight = quantise[format](rows)
        wide = rows.float()
        energy += float(wide.square().sum(dtype=torch.float64))
        changed += float((dequantize(weight) - wide).square().sum(dtype=torch.float64))
        return weight

    blocks = _blocks(dense, block)
    return _stored(blocks, (changed / energy) ** 0.5 if energy else 0.0)


def looks_exact(stored: Stored) -> bool:
    """Whether the first rows of a dense weight are binary or ternary."""
    if isinstance(stored, Coded):
        return False
    rows = (stored.dense if isinstance(stored, Uneven) else stored)[:8]
    return (
        rows.ndim == 2
        and rows.shape[1] % GROUP == 0
        and bool(rows.any())
        and bool(rows.isfinite().all())
        and isinstance(recognise(rows, GROUP), PackedWeight)
    )


def _blocks(dense: Tensor, pack: Callable[[Tensor], PackedWeight]) -> list[PackedWeight]:
    rows = max(1, BLOCK // dense.shape[1])
    return [pack(dense[start : start + rows]) for start in range(0, len(dense), rows)]


def _recognised(rows: Tensor, group_size: int) -> PackedWeight:
    found = recognise(rows, group_size)
    if isinstance(found, PackedWeight):
        return found
    raise DoesNotFit(str(found))


def _coded_blocks(coded: Coded) -> list[PackedWeight]:
    rows = max(1, BLOCK // coded.codes.shape[1])
    return [
        _exact(
            coded.codes[part],
            coded.scale[part].contiguous(),
            coded.offset[part].contiguous(),
            coded.bits,
            start,
        )
        for start in range(0, len(coded.codes), rows)
        for part in (slice(start, start + rows),)
    ]


def _exact(codes: Tensor, scale: Tensor, offset: Tensor, bits: int, first_row: int) -> PackedWeight:
    """Codes with float64 scales and offsets as a packed weight of the same value, if there is one.

    Counted in half steps, a code is 2 * code + 2 * offset / scale; where that is whole, the weight is it
    times scale / 2. Odd is binary; even, halved, is ternary, int4 or int8, the first that holds it.
    """
    (rows, columns), groups = codes.shape, scale.shape[1]
    size = columns // groups
    constant = scale == 0  # a group of one value, which is its offset
    step = torch.where(constant, 1, scale)
    shift = (2 * offset / step).masked_fill(constant, 0)
    whole = shift.round()
    halves = codes.view(rows, groups, size).to(torch.int16) * 2
    counted = halves + whole.clamp(-600, 600).to(torch.int16).unsqueeze(-1)
    counted = torch.where((scale < 0).unsqueeze(-1), -counted, counted)

    def refuse(bad: Tensor, why: str) -> None:
        if bool(bad.any()):
            row, group = bad.nonzero()[0].tolist()
            raise DoesNotFit(
                f"row {first_row + row}, columns {group * size} to {(group + 1) * size - 1}: {why}"
            )

    refuse((whole * step / 2 != offset) & ~constant, "its offset is no multiple of half its scale")
    varied = counted[~constant]
    binary = bits <= 2 and bool((varied & 1).all()) and (not len(varied) or int(varied.abs().max()) == 1)
    # A constant group is one level of the others: an odd one of binary weights, an even one of all others.
    level = torch.where(offset < 0, -1, 1).to(torch.int16) * (1 if binary else 2)
    counted = torch.where(constant.unsqueeze(-1), level.unsqueeze(-1), counted)
    scale = torch.where(constant, offset.abs() * (2 if binary else 1), scale.abs())
    odd = (counted & 1).bool()
    if binary:
        narrow = (scale / 2).half()
        refuse(narrow.double() != scale / 2, "its scale is no float16")
        return _weight("binary", counted.reshape(rows, columns).to(torch.int8), narrow, size)
    refuse(odd.any(-1), "its levels are not whole multiples of its scale")
    narrow = scale.half()
    refuse(narrow.double() != scale, "its scale is no float16")
    values = counted // 2
    largest = values.abs().amax(-1)
    if bits <= 2 and size % GROUP == 0 and int(largest.max()) <= 1:
        ternary = bool((values == 0).any())
        return _weight(
            "ternary" if ternary else "binary", values.reshape(rows, columns).to(torch.int8), narrow, size
        )
    if bits <= 4 and size % 32 == 0:
        low, high = values.amin(-1), values.amax(-1)
        refuse(high - low > 15, "its levels span more than 4 bits")
        zero = torch.where(low < -8, -8 - low, torch.where(high > 7, 7 - high, 0))
        refuse((zero < -8) | (zero > 7), "its zero point is not in -8..7")
        return _weight("int4", values.reshape(rows, columns), narrow, size, zero)
    refuse(largest > 127, "its codes do not fit int8")
    return _weight("int8", values.reshape(rows, columns).to(torch.int8), narrow, size)


def _weight(
    format: Format, values: Tensor, scale: Tensor, group_size: int, zero: Tensor | None = None
) -> PackedWeight:
    shape = (values.shape[0], values.shape[1])
    if zero is not None:
        codes = (values.view(*zero.shape, -1) + zero.unsqueeze(-1)).view(shape).to(torch.int8)
        return PackedWeight(pack_int4(codes), scale, format, shape, group_size, zero.to(torch.int8))
    if format == "ternary":
        return PackedWeight(pack_base3(values), scale, format, shape, group_size, base3=True)
    packed = pack_binary(values) if format == "binary" else values
    return PackedWeight(packed, scale, format, shape, group_size)


def _alike(blocks: list[PackedWeight]) -> list[PackedWeight]:
    """A block that happens to hold no 0 is binary; beside ternary ones it is ternary too."""
    formats = {block.format for block in blocks}
    if len(formats) == 1:
        return blocks
    if formats == {"binary", "ternary"}:
        return [_weight("ternary", block.codes, block.scales, block.group_size) for block in blocks]
    raise DoesNotFit(f"its rows are of different formats: {', '.join(sorted(formats))}")


def _stored(blocks: list[PackedWeight], error: float = 0.0) -> Converted:
    first = blocks[0]
    if first.format == "ternary":
        packed = [block.packed if block.base3 else pack_base3(block.codes) for block in blocks]
    else:
        packed = [block.packed for block in blocks]
    tensors = {
        ".base3" if first.format == "ternary" else ".packed": torch.cat(packed),
        ".scales": torch.cat([block.scales for block in blocks]),
    }
    if first.zero_points is not None:
        zeros = [block.zero_points for block in blocks if block.zero_points is not None]
        tensors[".zero_points"] = torch.cat(zeros)
    columns = first.shape[1]
    size = None if first.format == "int8" and first.group_size == columns else first.group_size
    return Converted(tensors, (first.format, size), error)
