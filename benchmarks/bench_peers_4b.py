"""The linears of a 4B FLUX.2-klein: our packed product beside what else a card has, in turn in one process.

    PYTHONPATH=. .venv-gpu/bin/python -m benchmarks.bench_peers_4b
    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_peers_4b --device cpu --tiny  # that it runs

ours, ours_binary  `imagegen_kernels.matmul` from packed weights, group 128, quantising activations included
ours_w4a8          `matmul` from the ternary weight as int4, group 128
ours_w2a16, ours_w4a16  `weight_only_matmul` from the same ternary weight, and from it as int4
resident_int8      what a fused kernel has to beat: the codes unpacked beforehand, `torch._int_mm`, scales
bf16               `torch.nn.functional.linear`, cuBLAS on a GPU
int_mm             `torch._int_mm` alone: both sides are int8 already, nothing is scaled
fp8                `torch._scaled_mm` alone, e4m3 on both sides, a scale a row and a token
gemlite            2-bit weights, group 128, float16 activations
torchao_int8       `Int8DynamicActivationInt8WeightConfig`
torchao_int8_weight, torchao_int4_weight   weight-only

What is not installed or refuses the shape is named in `left_out` with its reason. The ceilings are the
fastest square bfloat16 product and the fastest copy of the same run. A result says how long, TFLOP/s, GB/s of
what has to be read and written, the fraction of either ceiling, and the error against float32 on the same
weights.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from benchmarks.bench_matmul import random_weight
from benchmarks.machine import describe_machine, write_results
from benchmarks.turns import bandwidth, ceiling, int8_ceiling, take_turns
from imagegen_kernels import dispatch, matmul, weight_only_matmul
from imagegen_kernels.formats import PackedWeight, dequantize, pack_binary, pack_int4
from imagegen_kernels.matmul import reference
from imagegen_kernels.quantize.reference import quantize

Run = Callable[[], Tensor]

# output features N, input features K
SHAPES = ((3072, 3072), (9216, 3072), (18432, 3072), (3072, 9216), (27648, 3072), (3072, 12288))
TOKENS = (16, 64, 1536, 4608)
TINY_SHAPES, TINY_TOKENS = ((256, 256),), (32,)


def on(weight: PackedWeight, device: str) -> PackedWeight:
    packed, scales = weight.packed.to(device), weight.scales.to(device)
    return PackedWeight(packed, scales, weight.format, weight.shape, weight.group_size)


def binary_like(weight: PackedWeight) -> PackedWeight:
    codes = torch.randint(0, 2, weight.shape, dtype=torch.int8) * 2 - 1
    return PackedWeight(pack_binary(codes), weight.scales.cpu(), "binary", weight.shape, weight.group_size)


def as_int4(weight: PackedWeight) -> PackedWeight:
    return PackedWeight(pack_int4(weight.codes), weight.scales, "int4", weight.shape, weight.group_size)


def resident_int8(x: Tensor, weight: PackedWeight) -> Run:
    codes, row_scale = reference.fold(weight)
    codes = codes.T

    def run() -> Tensor:
        tokens, token_scale = quantize(x)
        return (torch._int_mm(tokens, codes).float() * row_scale * token_scale).to(x.dtype)

    return run


def int_mm(x: Tensor, weight: PackedWeight) -> Run:
    tokens, codes = quantize(x)[0], reference.fold(weight)[0].T
    return lambda: torch._int_mm(tokens, codes)


def fp8(x: Tensor, weight: PackedWeight) -> Run:
    dense = dequantize(weight)
    scale_x = x.float().abs().amax(-1, keepdim=True) / 448
    scale_w = dense.abs().amax(-1, keepdim=True) / 448
    tokens = (x.float() / scale_x).to(torch.float8_e4m3fn)
    codes = (dense / scale_w).to(torch.float8_e4m3fn).T
    return lambda: torch._scaled_mm(
        tokens, codes, scale_a=scale_x, scale_b=scale_w.T, out_dtype=torch.bfloat16, use_fast_accum=True
    )


def gemlite(x: Tensor, weight: PackedWeight) -> Run:
    core = importlib.import_module("gemlite.core")
    rows, columns = weight.shape
    layer = core.GemLiteLinearTriton(2, weight.group_size, columns, rows, core.DType.FP16, core.DType.FP16)
    # Stored codes count from 0, so the zero point is 1.
    stored = (weight.codes + 1).to(torch.uint8)
    layer.pack(stored, weight.scales, torch.ones_like(weight.scales), None)
    half = x.half()
    return lambda: layer(half)


def torchao(config: str) -> Callable[[Tensor, PackedWeight], Run]:
    def build(x: Tensor, weight: PackedWeight) -> Run:
        quantization = importlib.import_module("torchao.quantization")
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device=x.device, dtype=x.dtype)
        layer.weight = nn.Parameter(dequantize(weight, x.dtype), requires_grad=False)
        quantization.quantize_(layer, getattr(quantization, config)())
        return lambda: layer(x)

    return build


PEERS: dict[str, Callable[[Tensor, PackedWeight], Run]] = {
    "resident_int8": resident_int8,
    "int_mm": int_mm,
    "fp8": fp8,
    "gemlite": gemlite,
    "torchao_int8": torchao("Int8DynamicActivationInt8WeightConfig"),
    "torchao_int8_weight": torchao("Int8WeightOnlyConfig"),
    "torchao_int4_weight": torchao("Int4WeightOnlyConfig"),
}
ALONE = ("int_mm",)
"""Whose result is in other units, so that no error is told."""


def candidates(x: Tensor, weight: PackedWeight) -> tuple[dict[str, Run], dict[str, str]]:
    """What runs here, each tried once, and why others do not."""
    dense, binary = dequantize(weight, x.dtype), on(binary_like(weight), str(x.device))
    four = as_int4(weight)
    runs: dict[str, Run] = {
        "ours": lambda: matmul(x, weight),
        "ours_binary": lambda: matmul(x, binary),
        "ours_w4a8": lambda: matmul(x, four),
        "ours_w2a16": lambda: weight_only_matmul(x, weight),
        "ours_w4a16": lambda: weight_only_matmul(x, four),
        "bf16": lambda: linear(x, dense),
    }
    left_out = {}
    for name, build in PEERS.items():
        try:
            run = build(x, weight)
            run()
        # Whatever a rival raises is the reason why it is not compared.
        except Exception as error:  # noqa: BLE001
            left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        else:
            runs[name] = run
    return runs, left_out


def measure(
    m: int, n: int, k: int, device: str, budget_s: float, top: float, copied: float
) -> dict[str, Any]:
    """One shape. `top` TFLOP/s and `copied` GB/s are this run's ceilings."""
    weight = on(random_weight(n, k), device)
    x = torch.randn(m, k, device=device).bfloat16()
    runs, left_out = candidates(x, weight)
    exact = x.float() @ dequantize(weight).T
    stored = {"ours": weight.packed.nbytes + weight.scales.nbytes, "ours_binary": n * k // 8}
    stored |= {"ours_w2a16": stored["ours"], "ours_w4a16": n * k // 2, "ours_w4a8": n * k * 5 // 8}
    stored |= {"bf16": 2 * n * k, "gemlite": weight.packed.nbytes, "torchao_int4_weight": n * k // 2}
    row: dict[str, Any] = {"tokens": m, "out_features": n, "in_features": k, "runs": {}, "left_out": left_out}
    for name, seconds in take_turns(runs, budget_s, device).items():
        rate = 2 * m * n * k / seconds["median"] / 1e12
        moved = (2 * m * (n + k) + stored.get(name, n * k)) / seconds["median"] / 1e9
        row["runs"][name] = seconds | {"tflops": round(rate, 3), "of_ceiling": round(rate / top, 3)}
        row["runs"][name] |= {"gb_s": round(moved, 1), "of_copying": round(moved / copied, 3)}
        if name not in ALONE and name != "ours_binary":
            error = float((runs[name]().float() - exact).norm() / exact.norm())
            row["runs"][name]["relative_error"] = round(error, 5)
    ours = row["runs"]["ours"]["median"]
    row["times_as_fast"] = {name: round(run["median"] / ours, 3) for name, run in row["runs"].items()}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--budget", type=float, default=3.0, help="seconds a shape (three rounds at least)")
    parser.add_argument("--tiny", action="store_true", help="one small shape, and nothing is written")
    options = parser.parse_args()
    torch.manual_seed(0)
    results: dict[str, Any] = {"benchmark": "peers-4b", "device": options.device}
    results["machine"] = describe_machine()
    account = dispatch.describe(options.device)
    results["implementation"] = next(line for line in account if line[0] == "matmul")
    shapes, tokens = (TINY_SHAPES, TINY_TOKENS) if options.tiny else (SHAPES, TOKENS)
    with torch.inference_mode():
        # Short on purpose where it is only tried out.
        results["ceiling_tflops"] = top = ceiling(options.device, 0.0 if options.tiny else 1.0)
        results["int8_ceiling_tops"] = int8_ceiling(options.device, 0.0 if options.tiny else 1.0)
        results["copy_gb_s"] = copied = bandwidth(options.device, 0.0 if options.tiny else 1.0)
        results["shapes"] = []
        for m in tokens:
            for n, k in shapes:
                row = measure(m, n, k, options.device, options.budget, top, copied)
                results["shapes"].append(row)
                times = "  ".join(f"{name} {run['median'] * 1e3:.3f} ms" for name, run in row["runs"].items())
                print(f"{m:5} x {k:5} -> {n:5}  {times}  left out: {row['left_out']}", flush=True)
    results["machine"]["load_average_after"] = describe_machine()["load_average"]
    if not options.tiny:
        print(write_results("peers-4b", options.device, results))


if __name__ == "__main__":
    main()
