"""Matrix product with a quantised weight whose rows are gates and values of a SwiGLU."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul import avx2, blocked, cpu, gpu, matmul
from imagegen_kernels.matmul import implementation as matmul_implementation
from imagegen_kernels.matmul.unpacking import Unpacked
from imagegen_kernels.modulate import Modulated
from imagegen_kernels.swiglu import swiglu


@inference
def matmul_swiglu(
    x: Tensor | Modulated, weight: PackedWeight, ahead: int = 0, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`matmul`, where the rows of the weight behind the first `ahead` are gates, then as many values.

    x [B, S, K], which may be `Modulated` -> the product with the first rows [B, S, ahead], and silu(gate) *
    value [B, S, (N - ahead) / 2]. The latter is written to `out` where that is given, which may be a slice of
    something wider. To rounding the same as `matmul` and `swiglu`, but a large weight's gates and values are
    never written at full length. Raises ValueError for shapes that do not fit.
    """
    modulated = None
    if isinstance(x, Modulated):
        modulated, x = x, x.x
    rows, columns = weight.shape
    width = (rows - ahead) // 2
    if x.ndim != 3 or x.shape[2] != columns or not 0 <= ahead < rows or (rows - ahead) % 2:
        raise ValueError(
            f"matmul_swiglu with a weight of shape {weight.shape} needs x [B, S, {columns}] and an even"
            f" number of rows behind the first {ahead}, not x {list(x.shape)}"
        )
    if torch.compiler.is_compiling():
        both = matmul(modulated or x, weight)
        return both[..., :ahead], swiglu(both[..., ahead:], out)
    prepared = cpu.prepared(weight) if x.is_cpu and weight.packed.is_cpu and cpu.suits(weight) else None
    on_gpu = x.is_cuda and x.device == weight.packed.device and gpu.suits(x, weight)
    kept = isinstance(prepared, cpu.Small) and x.dtype == torch.float32
    if not (isinstance(prepared, Unpacked) or kept or on_gpu) or not x.is_floating_point():
        both = matmul(modulated or x, weight)
        return both[..., :ahead], swiglu(both[..., ahead:], out)
    if out is None:
        out = x.new_empty(*x.shape[:2], width)
    elif out.shape != (*x.shape[:2], width) or out.dtype != x.dtype:
        raise ValueError(
            f"matmul_swiglu needs out {x.dtype} {[*x.shape[:2], width]}, not {out.dtype} {list(out.shape)}"
        )
    if isinstance(prepared, cpu.Small):
        return cpu.linear_swiglu(modulated.values() if modulated else x, prepared, ahead, out), out
    plain = x.new_empty(*x.shape[:2], ahead)
    if not isinstance(prepared, Unpacked):
        gpu.linear_swiglu(modulated or x, gpu.prepared(weight), plain, out)
        return plain, out
    if modulated is not None:
        x = modulated.values()
    # Sample by sample, because the places in `out` need not be evenly apart over a whole batch.
    for sample, first, gated in zip(x.unbind(), plain.unbind(), out.unbind(), strict=True):
        blocked.linear_swiglu(sample, prepared, first, gated)
    return plain, out


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `matmul_swiglu` runs on `device`."""
    if device == "cpu" and cpu.is_exact():
        return (
            "int8",
            "gates and values become one in a compiled pass, which applies the scales too",
        )
    if device == "cpu" and avx2.is_exact():
        return "avx2", "gates and values become one while the cache holds them"
    if device != "cpu" and (name := matmul_implementation(device)[0]) != "reference":
        return name, "two products; the second writes silu(gate) * value; never run on a card yet"
    return "reference", "matmul, then swiglu"
