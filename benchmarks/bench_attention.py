"""How long joint attention takes: ours beside PyTorch's back ends, at the shapes of a 4B FLUX.2-klein.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_attention                # on the CPU
    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_attention --device cuda

24 heads of 128, no mask, bfloat16; 768, 1536 and 4608 tokens are pictures of 256x256, 512x512 and 1024x1024
with 512 text tokens. `ours` is `imagegen_kernels.attention`; `fp32` PyTorch's fused kernel in float32; on a
GPU each back end of `scaled_dot_product_attention` that takes the shape (flash, efficient, cudnn, math), and
sageattention where it is installed. All run in turn, round after round, until the time is used up (three
rounds at least). The ceiling is the fastest bfloat16 product of three sizes in the same run.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.nn import attention as backends
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.machine import describe_machine, write_results
from benchmarks.turns import ceiling, take_turns
from imagegen_kernels import attention, dispatch
from imagegen_kernels.attention import reference

HEADS, CHANNELS = 24, 128
TOKENS = (768, 1536, 4608)


def candidates(q: Tensor, k: Tensor, v: Tensor) -> dict[str, Callable[[], Tensor]]:
    """What there is on this device for these, each tried once; what refuses the shape is left out."""
    wide_q, wide_k, wide_v = q.float(), k.float(), v.float()
    found: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: attention(q, k, v),
        "sdpa": lambda: scaled_dot_product_attention(q, k, v),
        "fp32": lambda: scaled_dot_product_attention(wide_q, wide_k, wide_v),
    }
    if q.is_cuda:
        for name, backend in {
            "flash": backends.SDPBackend.FLASH_ATTENTION,
            "efficient": backends.SDPBackend.EFFICIENT_ATTENTION,
            "cudnn": backends.SDPBackend.CUDNN_ATTENTION,
            "math": backends.SDPBackend.MATH,
        }.items():

            def run(backend: Any = backend) -> Tensor:
                with backends.sdpa_kernel(backend):
                    return scaled_dot_product_attention(q, k, v)

            with suppress(RuntimeError):
                run()
                found[name] = run
        with suppress(ImportError):
            sage = importlib.import_module("sageattention").sageattn
            found["sageattention"] = lambda: sage(q, k, v, is_causal=False)
    return found


def measure(tokens: int, heads: int, device: str, budget_s: float, ceiling_tflops: float) -> dict[str, Any]:
    q, k, v = (torch.randn(1, tokens, heads, CHANNELS, device=device).bfloat16() for _ in range(3))
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # as qk_rope and a projection leave them
    runs = candidates(q, k, v)
    part = slice(0, min(tokens, 256))
    exact = reference.attention(q[:, :1, part].float(), k[:, :1].float(), v[:, :1].float())
    operations = 4 * heads * tokens * tokens * CHANNELS
    row: dict[str, Any] = {"tokens": tokens, "heads": heads, "channels": CHANNELS, "runs": {}}
    for name, seconds in take_turns(runs, budget_s, device).items():
        got = runs[name]()[:, :1, part].float()
        rate = operations / seconds["median"] / 1e12
        row["runs"][name] = seconds | {
            "tflops": round(rate, 3),
            "of_ceiling": round(rate / ceiling_tflops, 3),
            "relative_error": round(float((got - exact).norm() / exact.norm()), 5),
        }
    ours = row["runs"]["ours"]["median"]
    row["times_as_fast"] = {name: round(run["median"] / ours, 3) for name, run in row["runs"].items()}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--budget", type=float, default=5.0, help="seconds a shape (three rounds at least)")
    parser.add_argument("--tokens", type=int, nargs="+", default=TOKENS)
    parser.add_argument("--heads", type=int, default=HEADS)
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    results: dict[str, Any] = {"benchmark": "attention", "device": options.device}
    results["machine"] = describe_machine()
    account = dispatch.describe(options.device)
    results["implementation"] = next(line for line in account if line[0] == "attention")
    with torch.inference_mode():
        results["ceiling_tflops"] = top = ceiling(options.device)
        results["shapes"] = []
        for tokens in options.tokens:
            row = measure(tokens, options.heads, options.device, options.budget, top)
            results["shapes"].append(row)
            times = "  ".join(f"{name} {run['median'] * 1e3:.2f} ms" for name, run in row["runs"].items())
            print(f"{tokens:5} tokens  {times}", flush=True)
    results["machine"]["load_average_after"] = describe_machine()["load_average"]
    print(write_results("attention", options.device, results))


if __name__ == "__main__":
    main()
