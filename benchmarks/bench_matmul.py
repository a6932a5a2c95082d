"""How long a linear layer takes with our packed weights, beside what PyTorch offers on a CPU.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_matmul

ours     `imagegen_kernels.matmul` from ternary weights, group 128: small ones are folded to int8 by the first
         call (`first_call_s`), large ones stay packed and are unpacked by each call
onednn   oneDNN's int8 product alone (`onednn.qlinear_pointwise`): both sides are int8 already, the weights in
         its own layout, and nothing is scaled by token. `onednn_off` is the share of its sums that are wrong:
         some are on a CPU without 8-bit dot products, whose results are called `matmul-avx2`
bf16     `torch.nn.functional.linear` on bfloat16 tensors
fp32     the same on float32
int4pack `aten::_weight_int4pack_mm_for_cpu`, PyTorch's product from 4-bit weights, group 128, bfloat16: of
         other weights, so without an error
dynamic  `torch.ao.quantization.quantize_dynamic`: int8 weights, one scale for all activations of a call

Activations are float32 for the bundled model's shapes and bfloat16 for those of a 4B model, as at run time.
The shapes are layers of the bundled model and of a 4B FLUX.2-klein, at their numbers of tokens. All run in
turn, round after round, until a shape's time is used up (at least three rounds). Wall seconds suffer from
what else the machine does; processor seconds hardly do, but count threads that wait. `relative_error` is
against float32 on the same weights: what quantising activations, folding or rounding to bfloat16 costs.
`rates` are by the medians: TFLOP/s, GB/s of what has to be read and written once, and the fraction of the
ceiling, which is the fastest square product of the same run, in int8 or, for bf16, in bfloat16; without
8-bit and 16-bit dot products there is none. Peers on a
GPU are in `bench_peers_4b`.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.machine import describe_machine, write_results
from benchmarks.turns import bandwidth, ceiling, int8_ceiling
from imagegen_kernels import dispatch, matmul
from imagegen_kernels.formats import PackedWeight, dequantize, pack_ternary
from imagegen_kernels.matmul import cpu, reference
from imagegen_kernels.quantize.reference import quantize

# model, tokens M, output features N, input features K
SHAPES = (
    ("starter", 96, 384, 384),
    ("starter", 96, 2304, 384),
    ("starter", 96, 3456, 384),
    ("starter", 96, 384, 1536),
    ("starter", 192, 3456, 384),
    ("4B", 512, 3072, 3072),
    ("4B", 512, 27648, 3072),
    ("4B", 768, 3072, 3072),
    ("4B", 1536, 3072, 3072),
    ("4B", 1536, 3072, 12288),
    ("4B", 1536, 27648, 3072),
    ("4B", 4608, 3072, 3072),
)
MIN_ROUNDS = 3


def random_weight(n: int, k: int) -> PackedWeight:
    """A ternary weight whose group scales spread as those of trained checkpoints do, by about 15 %."""
    codes = torch.randint(-1, 2, (n, k), dtype=torch.int8)
    scales = (0.02 * torch.exp(0.15 * torch.randn(n, k // 128))).half()
    return PackedWeight(pack_ternary(codes), scales, "ternary", (n, k), 128)


def dynamic_linear(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """PyTorch's dynamically quantised int8 layer with this weight."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated in favour of another package
        model: Callable[[Tensor], Tensor] = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            torch.nn.Sequential(layer), {torch.nn.Linear}, dtype=torch.qint8
        )
    return model


def onednn_product(x: Tensor, weight: PackedWeight) -> Callable[[], Tensor]:
    """oneDNN's product of these activations and weights, both quantised beforehand."""
    codes, _ = quantize(x)
    kept = cpu.keep(*reference.fold(weight))
    unsigned, wide = codes.view(torch.uint8) ^ 128, torch.float32
    product = torch.ops.onednn.qlinear_pointwise.default
    return lambda: product(unsigned, 1.0, 128, *kept, None, 1.0, 0, wide, "none", [], "")


def onednn_off(x: Tensor, weight: PackedWeight) -> float:
    """The share of wrong sums among 16 tokens' and 256 rows' of that product."""
    codes, _ = quantize(x[:16])
    folded, row_scale = (part[:256] for part in reference.fold(weight))
    sums = cpu.product(codes.view(torch.uint8) ^ 128, cpu.keep(folded, torch.ones_like(row_scale)))
    return float((sums != reference.integer_product(codes, folded).float()).double().mean())


def int4_product(x: Tensor, n: int) -> Callable[[], Tensor]:
    """PyTorch's weight-only product of these activations with random 4-bit weights."""
    k, aten = x.shape[1], torch.ops.aten
    packed = aten._convert_weight_to_int4pack_for_cpu(torch.randint(0, 16, (n, k), dtype=torch.int32), 1)
    scales = torch.full((k // 128, n, 2), 0.02).bfloat16()
    return lambda: aten._weight_int4pack_mm_for_cpu(x, packed, 128, scales)


def measure(m: int, n: int, k: int, narrow: bool, budget_s: float) -> dict[str, Any]:
    """Seconds of each candidate at one shape, interleaved."""
    weight = random_weight(n, k)
    dense, x = dequantize(weight), torch.randn(m, k)
    dense_bf16, x_bf16 = dense.bfloat16(), x.bfloat16()
    dynamic = dynamic_linear(dense)
    candidates: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: matmul(x_bf16 if narrow else x, weight),
        "onednn": onednn_product(x, weight),
        "bf16": lambda: functional.linear(x_bf16, dense_bf16),
        "int4pack": int4_product(x_bf16, n),
        "fp32": lambda: functional.linear(x, dense),
        "dynamic": lambda: dynamic(x),
    }
    started = time.perf_counter()
    candidates["ours"]()
    first_call = time.perf_counter() - started
    exact = candidates["fp32"]().double()
    error = {
        name: float((run().double() - exact).norm() / exact.norm())
        for name, run in candidates.items()
        if name not in ("fp32", "onednn", "int4pack")
    }
    wall: dict[str, list[float]] = {name: [] for name in candidates}
    processor: dict[str, list[float]] = {name: [] for name in candidates}
    deadline = time.perf_counter() + budget_s
    while len(wall["ours"]) < MIN_ROUNDS or time.perf_counter() < deadline:
        for name, run in candidates.items():
            started, started_processor = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - started_processor)
    each = 2 if narrow else 4
    moved = {"ours": weight.packed.nbytes + weight.scales.nbytes, "onednn": n * k, "dynamic": n * k}
    moved |= {"int4pack": n * k // 2 + 4 * n * k // 128}
    moved |= {"bf16": 2 * n * k, "fp32": 4 * n * k}
    medians = {name: statistics.median(values) for name, values in wall.items()}
    return {
        "tokens": m,
        "out_features": n,
        "in_features": k,
        "rates": {
            name: {
                "tflops": round(2 * m * n * k / median / 1e12, 5),
                "gb_s": round((moved[name] + each * m * (n + k)) / median / 1e9, 4),
            }
            for name, median in medians.items()
        },
        "first_call_s": round(first_call, 6),
        "rounds": len(wall["ours"]),
        "wall_s": {name: summary(values) for name, values in wall.items()},
        "times_as_fast": {
            name: round(medians[name] / medians["ours"], 3) for name in candidates if name != "ours"
        },
        "processor_s": {name: summary(values) for name, values in processor.items()},
        "onednn_off": round(onednn_off(x, weight), 4),
        "relative_error": {name: round(value, 5) for name, value in error.items()},
    }


def summary(values: list[float]) -> dict[str, Any]:
    """Median, smallest and quartiles, in seconds."""
    lower, median, upper = statistics.quantiles(values, n=4)
    return {
        "median": round(median, 7),
        "min": round(min(values), 7),
        "quartiles": [round(lower, 7), round(upper, 7)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=3.0, help="seconds a shape (three rounds at least)")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    parser.add_argument("--shapes", type=int, help="only the first few, to see that it runs")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    torch.manual_seed(0)
    results: dict[str, Any] = {"benchmark": "matmul", "device": "cpu", "machine": describe_machine()}
    results["implementation"] = next(line for line in dispatch.describe("cpu") if line[0] == "matmul")
    results["shapes"] = []
    with torch.inference_mode():
        # Without bfloat16 dot products a square product of 2048 takes half a minute.
        results["ceiling_tflops"] = ceiling("cpu") if torch.cpu._is_avx512_bf16_supported() else None
        results["int8_ceiling_tops"] = int8_ceiling("cpu") if cpu.is_exact() else None
        results["copy_gb_s"] = bandwidth("cpu")
        for model, m, n, k in SHAPES if options.shapes is None else SHAPES[: options.shapes]:
            row = {"model": model, **measure(m, n, k, model == "4B", options.budget)}
            for name, rate in row["rates"].items():
                top = {"bf16": results["ceiling_tflops"], "fp32": None}.get(
                    name, results["int8_ceiling_tops"]
                )
                rate["of_ceiling"] = top and round(rate["tflops"] / top, 3)
            results["shapes"].append(row)
            times = "  ".join(f"{name} {s['median'] * 1e3:9.3f} ms" for name, s in row["wall_s"].items())
            print(f"{model:8}{m:5} x {k:5} -> {n:5}  {times}", flush=True)
    results["machine"]["load_average_after"] = describe_machine()["load_average"]
    print(write_results("matmul" if cpu.is_exact() else "matmul-avx2", "cpu", results))


if __name__ == "__main__":
    main()
