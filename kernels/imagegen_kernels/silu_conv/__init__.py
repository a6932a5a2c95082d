"""SiLU, then a convolution with int8 weights."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import ConvWeight
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul.cpu import is_exact
from imagegen_kernels.silu_conv import cpu, reference
from imagegen_kernels.silu_conv.reference import Norm


@inference
def silu_conv(x: Tensor, weight: ConvWeight, norm: Norm | None = None) -> Tensor:
    """silu(x [B, I, H, W]) convolved with the weight, plus its bias -> [B, O, H, W], both float32. With
    `norm` it is silu(norm(x)).

    What SiLU gives is quantised to 8 bits with one scale and zero point for each sample, so the products run
    in int8; `reference.silu_conv` is the definition. A sample's result does not depend on its batch. Fastest
    with channels last, and then the result has them last too. x is overwritten where there is no norm.

    The first call keeps the codes in oneDNN's layout in `weight.prepared`.
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
    run = cpu.silu_conv if x.is_cpu and is_exact() else reference.silu_conv
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
        return "reference", "float32 convolution of the codes; no GPU kernel is written yet"
    if not is_exact():
        return "reference", "float32 convolution of the codes; this CPU has no 8-bit dot product (VNNI)"
    return "int8", "oneDNN's int8 convolution behind a compiled pass of norm, SiLU and rounding"
