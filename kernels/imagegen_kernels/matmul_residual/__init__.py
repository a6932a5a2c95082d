"""Matrix product with a quantised weight, added to a gated residual."""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats import PackedWeight
from imagegen_kernels.gated_residual import check, gated_residual
from imagegen_kernels.inference import inference
from imagegen_kernels.matmul import cpu, gpu, matmul
from imagegen_kernels.matmul import implementation as matmul_implementation


@inference
def matmul_residual(
    x: Tensor, weight: PackedWeight, before: Tensor, gate: Tensor, bias: Tensor | None = None
) -> Tensor:
    """before + gate * matmul(x, weight, bias) for x [B, S, K], before [B, S, N] and gate [B, 1, N], [1, 1, N]
    or [N] -> [B, S, N] in the dtype of `before`.

    The bits of `matmul` and `gated_residual`; on a GPU to rounding, in one kernel, so that the product is
    never written. Raises ValueError for shapes, dtypes or devices that do not fit.
    """
    rows, columns = weight.shape
    check(before, gate, torch.Size((*x.shape[:-1], rows)))
    fits = x.shape[-1] == columns and x.dtype == before.dtype and (bias is None or bias.shape == (rows,))
    together = x.is_cuda and x.device == before.device == gate.device == weight.packed.device
    if not torch.compiler.is_compiling() and together and fits and gpu.suits(x, weight):
        return gpu.linear_residual(x, gpu.prepared(weight), before, gate, bias)
    on_cpu = x.is_cpu and before.is_cpu and gate.is_cpu and weight.packed.is_cpu
    plain = x.dtype == gate.dtype == torch.float32 and bias is None and gate.numel() == rows
    if not torch.compiler.is_compiling() and on_cpu and plain and fits and cpu.suits(weight):
        prepared = cpu.prepared(weight)
        if isinstance(prepared, cpu.Small):
            return cpu.linear_residual(x, prepared, before, gate)
    return gated_residual(before, gate, matmul(x, weight, bias))


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `matmul_residual` runs on `device`."""
    name, _ = matmul_implementation(device)
    if device != "cpu" and name != "reference":
        return name, "a product that ends with gate and residual; never run on a card yet"
    if name in ("int8", "avx2"):
        return name, "float32, small weights: scales, gate and sum in one compiled pass"
    return name, "matmul, then gated_residual"
