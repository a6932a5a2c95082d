"""SiLU, then a convolution with int8 weights."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import ConvWeight
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul.cpu import is_exact
from imagegen_kernels.matmul.octets import has_avx2
from imagegen_kernels.silu_conv import avx2, cpu, reference
from imagegen_kernels.silu_conv.reference import Norm


@inference
def silu_conv(x: Tensor, weight: ConvWeight, norm: Norm | None = None) -> Tensor:
    """silu(x [B, I, H, W]) convolved with the weight, plus its bias -> [B, O, H, W], both float32. With
    `norm` it is silu(norm(x)).

    What SiLU gives is quantised to 8 bits with one scale and zero point for each sample, so the products run
    in int8; `reference.silu_conv` is the definition. A sample's result does not depend on its batch. Fastest
    with channels last, and then the result has them last too. x is overwritten where there is no norm.

    The first call keeps the codes as they are multiplied in `weight.prepared`.
    Raises ValueError for shapes, dtypes or devices that do not fit.
    """
    codes = weight.codes
    if x.ndim != 4 or x.shape[1] != codes.shape[1] or x.dtype != torch.float32:
        raise ValueError(
            f"silu_conv with codes {list(codes.shape)} needs float32 x [B, {codes.shape[1]}, H, W],"
            f" not {x.dtype} {list(x.shape)}"
        )
    if x.device != codes.device:
        raise ValueError(f"silu_conv needs x and weight on one device, not {x.device} and {codes.device}")
    if norm is not None:
        _check(norm, codes.shape[1])
    if not x.is_cpu:
        return reference.silu_conv(x, weight, norm)
    run = cpu.silu_conv if is_exact() else avx2.silu_conv if has_avx2() else reference.silu_conv
    return run(x, weight, norm)


def _check(norm: Norm, channels: int) -> None:
    shapes = norm.weight.shape, norm.bias.shape
    if channels % norm.groups or any(tuple(shape) != (channels,) for shape in shapes):
        raise ValueError(
            f"a norm of {channels} channels needs groups that divide them, weight and bias [{channels}],"
            f" not {norm.groups}, {list(shapes[0])} and {list(shapes[1])}"
        )


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `silu_conv` runs on `device`."""
    if device != "cpu":
        return "reference", "float64 convolution of the codes; no GPU kernel is written yet"
    if not is_exact():
        if has_avx2():
            return "avx2", "no 8-bit dot product (VNNI): the same codes as 16-bit numbers, in compiled passes"
        return "reference", "float64 convolution of the codes; this CPU has neither VNNI nor AVX2"
    return "int8", "oneDNN's int8 convolution behind a compiled pass of norm, SiLU and rounding"
