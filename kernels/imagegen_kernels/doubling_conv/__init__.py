"""A transposed convolution that doubles height and width, with int8 weights."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.doubling_conv import avx2, cpu, reference
from imagegen_kernels.formats import DoublingWeight
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul.cpu import is_exact
from imagegen_kernels.matmul.octets import has_avx2


@inference
def doubling_conv(x: Tensor, weight: DoublingWeight, dtype: torch.dtype = torch.float32) -> Tensor:
    """x [B, I, H, W], float32, by the transposed convolution of 4x4, stride 2 and padding 1, plus its bias ->
    [B, O, 2H, 2W] in `dtype`, float32 or bfloat16.

    Activations are quantised to 8 bits with one scale and zero point for each sample, so the products run in
    int8; `reference.doubling_conv` is the definition. A sample's result does not depend on its batch. Fastest
    with channels last; the result has them last.

    The first call keeps the codes as they are multiplied in `weight.prepared`.
    Raises ValueError for shapes, dtypes or devices that do not fit.
    """
    codes = weight.codes
    if x.ndim != 4 or x.shape[1] != codes.shape[0] or x.dtype != torch.float32:
        raise ValueError(
            f"doubling_conv with codes {list(codes.shape)} needs float32 x [B, {codes.shape[0]}, H, W],"
            f" not {x.dtype} {list(x.shape)}"
        )
    if dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"doubling_conv gives float32 or bfloat16, not {dtype}")
    if x.device != codes.device:
        raise ValueError(f"doubling_conv needs x and weight on one device, not {x.device} and {codes.device}")
    if not x.is_cpu:
        return reference.doubling_conv(x, weight, dtype)
    run = cpu.doubling_conv if is_exact() else avx2.doubling_conv if has_avx2() else reference.doubling_conv
    return run(x, weight, dtype)


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `doubling_conv` runs on `device`."""
    if device != "cpu":
        return "reference", "float64 convolution of the codes; no GPU kernel is written yet"
    if not is_exact():
        if has_avx2():
            return "avx2", "no 8-bit dot product (VNNI): the same codes as 16-bit numbers, in compiled passes"
        return "reference", "float64 convolution of the codes; this CPU has neither VNNI nor AVX2"
    return "int8", "two of oneDNN's int8 convolutions, twice as fast as its bfloat16 transposed one"
