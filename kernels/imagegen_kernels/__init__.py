"""Low-bit kernels for a diffusion transformer: one package an op, each with its specification in
`reference.py`.

`from imagegen_kernels import matmul` gives the op itself; `imagegen_kernels.matmul.reference` is its
specification. Importing this package is cheap: torch is imported with the first op.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagegen_kernels.attention import attention
    from imagegen_kernels.doubling_conv import doubling_conv
    from imagegen_kernels.gated_residual import gated_residual
    from imagegen_kernels.matmul import matmul
    from imagegen_kernels.matmul_residual import matmul_residual
    from imagegen_kernels.matmul_swiglu import matmul_swiglu
    from imagegen_kernels.modulate import modulate
    from imagegen_kernels.qk_rope import qk_rope
    from imagegen_kernels.quantize import quantize
    from imagegen_kernels.rms_norm import rms_norm
    from imagegen_kernels.silu_conv import silu_conv
    from imagegen_kernels.swiglu import swiglu
    from imagegen_kernels.weight_only_matmul import weight_only_matmul

OPS = (
    "matmul",
    "matmul_swiglu",
    "matmul_residual",
    "weight_only_matmul",
    "attention",
    "qk_rope",
    "modulate",
    "swiglu",
    "gated_residual",
    "quantize",
    "rms_norm",
    "silu_conv",
    "doubling_conv",
)

__all__ = [
    "OPS",
    "attention",
    "doubling_conv",
    "gated_residual",
    "matmul",
    "matmul_residual",
    "matmul_swiglu",
    "modulate",
    "qk_rope",
    "quantize",
    "rms_norm",
    "silu_conv",
    "swiglu",
    "weight_only_matmul",
]


class _Op:
    """The op's function under the op's name.

    Importing a submodule makes Python bind it here under the same name; that is ignored, or what
    `imagegen_kernels.matmul` means would depend on who imported what before.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, package: ModuleType, owner: type) -> object:
        return getattr(import_module(f"{__name__}.{self.name}"), self.name)

    def __set__(self, package: ModuleType, module: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = type("_Package", (ModuleType,), {name: _Op(name) for name in OPS})
