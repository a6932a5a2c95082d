"""Every launch of our GPU kernels that a 4B transformer makes, with the tiles in use, caught before it
starts: by the very code that would start it, on tensors without memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from imagegen_kernels import card
from imagegen_kernels.formats import Format
from imagegen_kernels.formats.layout import BITS
from imagegen_kernels.gated_residual import gpu as gated_residual
from imagegen_kernels.matmul import gpu as matmul
from imagegen_kernels.modulate import gpu as modulate
from imagegen_kernels.qk_rope import gpu as qk_rope
from imagegen_kernels.quantize import gpu as quantize
from imagegen_kernels.swiglu import gpu as swiglu
from imagegen_kernels.weight_only_matmul import gpu as weight_only

WIDTH, MLP, HEADS, TOKENS = 3072, 9216, 24, 4608


class Launch(NamedTuple):
    kernel: Any
    warps: int
    stages: int
    arguments: dict[str, Any]


def tensor(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def product(format: str, rows: int, columns: int, out: torch.Tensor, **more: Any) -> None:
    width = {"binary": columns // 8, "ternary": columns // 4, "int4": columns // 2, "int8": columns}[format]
    words = format == "int4"
    weight = matmul.Prepared(
        format,
        tensor(rows, width, dtype=torch.int8 if format == "int8" else torch.uint8),
        tensor(columns // (32 if words else 128), rows, dtype=torch.int32 if words else torch.int8),
        tensor(rows, dtype=torch.float32),
    )
    codes, scale = tensor(TOKENS, columns, dtype=torch.int8), tensor(TOKENS, 1, dtype=torch.float32)
    matmul.product(codes, scale, weight, out, **more)


def weight_only_product(
    format: Format, tokens: int, *, group: int = 128, zeros: bool = False, bias: bool = False
) -> None:
    groups, dtype = WIDTH // group, torch.int8 if format == "int8" else torch.uint8
    weight = weight_only.Prepared(
        format,
        tensor(3 * WIDTH, WIDTH * BITS[format] // 8, dtype=dtype),
        tensor(groups, 3 * WIDTH, dtype=torch.float16),
        tensor(groups, 3 * WIDTH, dtype=torch.int8) if zeros else None,
    )
    weight_only.linear(tensor(tokens, WIDTH), weight, tensor(3 * WIDTH) if bias else None)


def into_both(format: str) -> None:
    """The fused linear of a single-stream block: its gated rows, beside the attention's channels."""
    gated = tensor(TOKENS, WIDTH + MLP)[:, WIDTH:]
    product(format, 3 * WIDTH + 2 * MLP, WIDTH, gated, first=3 * WIDTH, swiglu=True)


def out_of_both(format: str) -> None:
    """Its last linear, with what follows it."""
    residual = matmul.Residual(tensor(TOKENS, WIDTH), tensor(1, WIDTH), TOKENS)
    product(format, WIDTH, WIDTH + MLP, tensor(TOKENS, WIDTH), bias=tensor(WIDTH), residual=residual)


x, vector = tensor(1, TOKENS, WIDTH), tensor(1, 1, WIDTH)
qk = tensor(1, TOKENS, 3 * HEADS, 128)[:, :, : 2 * HEADS]
angles = tensor(TOKENS, 64, dtype=torch.float32)
CALLS: dict[str, Callable[[], object]] = {
    "ternary product": lambda: product("ternary", 3 * WIDTH, WIDTH, tensor(TOKENS, 3 * WIDTH)),
    "ternary product, swiglu": lambda: into_both("ternary"),
    "ternary product, bias and residual": lambda: out_of_both("ternary"),
    "binary product": lambda: product("binary", 3 * WIDTH, WIDTH, tensor(TOKENS, 3 * WIDTH)),
    "binary product, swiglu": lambda: into_both("binary"),
    "int4 product": lambda: product("int4", 3 * WIDTH, WIDTH, tensor(TOKENS, 3 * WIDTH)),
    "int4 product, swiglu": lambda: into_both("int4"),
    "int4 product, bias and residual": lambda: out_of_both("int4"),
    "int8 product": lambda: product("int8", 3 * WIDTH, WIDTH, tensor(TOKENS, 3 * WIDTH)),
    "float ternary": lambda: weight_only_product("ternary", TOKENS),
    "float binary": lambda: weight_only_product("binary", TOKENS),
    "float int4": lambda: weight_only_product("int4", TOKENS, bias=True),
    "float-32 int4, zero points, groups of 32": lambda: weight_only_product(
        "int4", TOKENS, group=32, zeros=True
    ),
    "float-few int4": lambda: weight_only_product("int4", 16),
    "quantize": lambda: quantize.quantize(tensor(1, TOKENS, WIDTH + MLP)),
    "modulate": lambda: modulate.modulate(x, vector, vector, 1e-6),
    "modulate and quantize": lambda: modulate.modulate_quantize(x, vector, vector, 1e-6),
    "qk_rope": lambda: qk_rope.qk_rope(
        qk, HEADS, tensor(128), tensor(128), angles, angles, 1e-6, interleaved=True
    ),
    "swiglu": lambda: swiglu.swiglu(tensor(1, TOKENS, 2 * MLP), tensor(1, TOKENS, MLP)),
    "gated_residual": lambda: gated_residual.gated_residual(x, vector, x),
}


def collect(capability: int) -> dict[str, Launch]:
    """The launches of `CALLS` on a card of this compute capability, by name."""
    caught: list[Launch] = []

    def catch(kernel: Any, programs: int, warps: int, stages: int, **arguments: Any) -> None:
        assert programs > 0
        caught.append(Launch(kernel, warps, stages, arguments))

    launches = {}
    for name, call in CALLS.items():
        caught.clear()
        with (
            patch.object(card, "_index", lambda device: 0),
            patch.object(card, "card_name", lambda index: "a card without a table of its own"),
            patch.object(card, "capability", lambda index: capability),
        ):
            patches = [
                patch.object(op, "launch", catch)
                for op in (matmul, weight_only, quantize, modulate, qk_rope, swiglu, gated_residual)
            ]
            for one in patches:
                one.start()
            try:
                call()
            finally:
                for one in patches:
                    one.stop()
        (launches[name],) = caught
    return launches
