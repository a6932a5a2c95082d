"""Packed-weight formats: how a weight [N, K] (output rows, input columns) is stored as small integer codes
and float16 scales, weight = code * scale.

Each row is cut into K / group_size groups with a scale each; group_size = K is one scale a row.

format   codes            packed          columns, group_size     bits a weight, group 128
binary   -1, +1           uint8 [N, K/8]  multiples of 128        1.125
ternary  -1, 0, +1        uint8 [N, K/4]  multiples of 128        2.125 (1.73 on disk: base3.py)
int4     -8..7            uint8 [N, K/2]  multiples of 32         4.125 (4.1875 with zero points)
int8     -127..127        int8 [N, K]     any                     8.125

layout.py         which shapes a format takes, and how many bytes it needs
bits.py           codes in planes of 1, 2 and 4 bits, for kernels
base3.py          ternary codes five to a byte, for disk
packed_weight.py  a packed weight and its way back to floating point
quantizers.py     floating point to packed, with the least error that is easily found
recognise.py      floating point that is binary or ternary already to packed, without loss
folding.py        group scales as a row's scale times small integers
conv_weight.py    the weight of a convolution: int8 with a scale for each output channel
doubling_weight.py  the weight of a convolution that doubles height and width

Knows nothing of activations, devices or products.
"""

from imagegen_kernels.formats.base3 import pack_base3, unpack_base3
from imagegen_kernels.formats.bits import (
    pack_binary,
    pack_int4,
    pack_ternary,
    unpack_binary,
    unpack_int4,
    unpack_ternary,
)
from imagegen_kernels.formats.conv_weight import ConvWeight, quantize_conv
from imagegen_kernels.formats.doubling_weight import DoublingWeight, quantize_doubling
from imagegen_kernels.formats.folding import fold_scales, folding_error
from imagegen_kernels.formats.layout import TERNARY_GROUP, Format, check_layout, packed_bytes
from imagegen_kernels.formats.packed_weight import PackedWeight, dequantize
from imagegen_kernels.formats.quantizers import (
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.formats.recognise import Misfit, recognise

__all__ = [
    "TERNARY_GROUP",
    "ConvWeight",
    "DoublingWeight",
    "Format",
    "Misfit",
    "PackedWeight",
    "check_layout",
    "dequantize",
    "fold_scales",
    "folding_error",
    "pack_base3",
    "pack_binary",
    "pack_int4",
    "pack_ternary",
    "packed_bytes",
    "quantize_binary",
    "quantize_conv",
    "quantize_doubling",
    "quantize_int4",
    "quantize_int8",
    "quantize_ternary",
    "recognise",
    "unpack_base3",
    "unpack_binary",
    "unpack_int4",
    "unpack_ternary",
]
