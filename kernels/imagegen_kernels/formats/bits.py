"""Codes of 1, 2 and 4 bits in bytes, as kernels read them.

Every UNIT columns of a row take a run of UNIT * bits / 8 bytes, and the codes of neighbouring columns lie in
neighbouring bytes, in the same bits of each:

binary   128 columns, 16 bytes: bit 7 of byte j is column j, bit 6 is 16+j, ... bit 0 is 112+j.
         0 stands for +1 and 1 for -1.
ternary  128 columns, 32 bytes: bits 7-6 of byte j are column j, 5-4 are 32+j, 3-2 are 64+j, 1-0 are 96+j.
         00 for 0, 01 for +1, 11 for -1; 10 means nothing and is refused.
int4     32 columns, 16 bytes: bits 7-4 of byte j are column j, 3-0 are 16+j. Two's complement, -8..7.

So shifted to the top of an int8 a code is itself times a power of two (a binary one after setting the bit
below it), and a byte's codes belong to contiguous runs of columns: one shift and one mask make a vector of
operands for an 8-bit product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats.layout import BITS, UNIT, Format, check_layout


def pack_binary(codes: Tensor) -> Tensor:
    """Pack int8 codes -1, +1 of shape [N, K] into uint8 [N, K/8]; K must be a multiple of 128.

    Raises ValueError for another dtype, shape or value.
    """
    _check_codes("binary", codes)
    if bool(((codes != 1) & (codes != -1)).any()):
        raise ValueError(f"binary codes of shape {list(codes.shape)} must be -1 or +1")
    return pack_planes("binary", codes >> 1)


def pack_ternary(codes: Tensor) -> Tensor:
    """Pack int8 codes -1, 0, +1 of shape [N, K] into uint8 [N, K/4]; K must be a multiple of 128.

    Raises ValueError for another dtype, shape or value.
    """
    _check_codes("ternary", codes)
    if bool(((codes < -1) | (codes > 1)).any()):
        raise ValueError(f"ternary codes of shape {list(codes.shape)} must be -1, 0 or +1")
    return pack_planes("ternary", codes)


def pack_int4(codes: Tensor) -> Tensor:
    """Pack int8 codes -8..7 of shape [N, K] into uint8 [N, K/2]; K must be a multiple of 32.

    Raises ValueError for another dtype, shape or value.
    """
    _check_codes("int4", codes)
    if bool(((codes < -8) | (codes > 7)).any()):
        raise ValueError(f"int4 codes of shape {list(codes.shape)} must be -8..7")
    return pack_planes("int4", codes)


def unpack_binary(packed: Tensor) -> Tensor:
    """Unpack uint8 [N, K/8] into int8 codes [N, K]; K/8 must be a multiple of 16. Every byte is valid.

    Raises ValueError for another dtype or shape.
    """
    return _unpack("binary", packed).mul_(2).add_(1)


def unpack_ternary(packed: Tensor) -> Tensor:
    """Unpack uint8 [N, K/4] into int8 codes [N, K]; K/4 must be a multiple of 32.

    Raises ValueError for another dtype or shape, and where a slot holds the meaningless 10.
    """
    codes = _unpack("ternary", packed)
    meaningless = packed >> 1 & ~packed & 0b01010101
    if bool(meaningless.any()):
        rows_hit = int(meaningless.any(dim=1).sum())
        raise ValueError(
            f"packed ternary codes of shape {list(packed.shape)} hold the slot 10 in {rows_hit} rows"
        )
    return codes


def unpack_int4(packed: Tensor) -> Tensor:
    """Unpack uint8 [N, K/2] into int8 codes [N, K]; K/2 must be a multiple of 16. Every byte is valid.

    Raises ValueError for another dtype or shape.
    """
    return _unpack("int4", packed)


def _check_codes(format: Format, codes: Tensor) -> None:
    if codes.dtype != torch.int8 or codes.ndim != 2:
        raise ValueError(f"{format} codes must be torch.int8 [N, K], not {codes.dtype} {list(codes.shape)}")
    check_layout(format, codes.shape[0], codes.shape[1], codes.shape[1])


def pack_planes(format: Format, codes: Tensor) -> Tensor:
    """The low bits of each code, plane beside plane; nothing is checked."""
    (rows, columns), bits = codes.shape, BITS[format]
    fields = (codes & (1 << bits) - 1).view(torch.uint8)
    planes = fields.reshape(rows, -1, 8 // bits, UNIT[format] * bits // 8).unbind(2)
    packed = planes[0]
    for plane in planes[1:]:
        packed = packed << bits | plane
    return packed.reshape(rows, columns * bits // 8)


def _unpack(format: Format, packed: Tensor) -> Tensor:
    """Each code's bits with the sign of the highest: int8 [N, K]."""
    bits = BITS[format]
    per_byte, run = 8 // bits, UNIT[format] * bits // 8
    if packed.dtype != torch.uint8 or packed.ndim != 2:
        raise ValueError(
            f"packed {format} codes must be torch.uint8 [N, K/{per_byte}],"
            f" not {packed.dtype} {list(packed.shape)}"
        )
    rows, width = packed.shape
    if not rows or not width or width % run:
        raise ValueError(
            f"packed {format} columns must be a multiple of {run}, not shape {list(packed.shape)}"
        )
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device).view(-1, 1)
    # Each field goes to the top of an int8; an arithmetic shift brings it down with its sign.
    codes = (packed.contiguous().view(rows, -1, 1, run) << shifts).view(torch.int8)
    codes >>= 8 - bits
    return codes.view(rows, width * per_byte)
