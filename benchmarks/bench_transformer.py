"""How long a step of a 4B FLUX.2 [klein] transformer takes on a CPU, and in how much memory.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_transformer

ours       `imagegen.networks.transformer` with random ternary weights (group 128), packed at 2 bits, as a
           checkpoint of that size is loaded: bfloat16 for the rest
diffusers  `Flux2Transformer2DModel` in bfloat16, random weights

Speed does not depend on what the weights are. Each runs in a process of its own, since memory is measured
too, with the same threads, for a picture of 512x512 (1024 image tokens) and 512 text tokens: one step to warm
up, then the two take turns, step by step. `resident_gb` is the process's memory between steps less what it
had before the transformer was built, `peak_gb` the highest point of all.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, write_results

CONFIG: dict[str, Any] = {
    "in_channels": 128,
    "num_layers": 5,
    "num_single_layers": 20,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
    "axes_dims_rope": (32, 32, 32, 32),
    "guidance_embeds": False,
}
"""FLUX.2 [klein] 4B: 3.88 G parameters, 3.68 G of them in the linears of the blocks."""
TEXT = 512
CONTENDERS = ("ours", "diffusers_bf16")


def ours(
    side: int, device: str = "cpu", config: dict[str, Any] = CONFIG, graphs: bool = False
) -> Callable[[], None]:
    """A step of our transformer, built linear by linear so that no dense copy of all weights exists; with
    `graphs` recorded by its first call and replayed."""
    import torch
    from torch import nn

    from imagegen.networks.quantized_linear import QuantizedLinear
    from imagegen.networks.transformer import Transformer, TransformerConfig
    from imagegen.pipeline.step_graphs import CudaRecorder, StepGraphs
    from imagegen_kernels.formats import PackedWeight

    with torch.device("meta"):
        transformer = Transformer(TransformerConfig(**config))
    for name, module in list(transformer.named_modules()):
        if isinstance(module, nn.Linear) and "transformer_blocks." in name:
            rows, columns = module.weight.shape
            low, high = (
                torch.randint(0, 256, (rows, columns // 4), dtype=torch.uint8, device=device)
                for _ in range(2)
            )
            # A high bit only where the low one is set: 10 stands for nothing.
            packed = low & 0x55 | (high & 0xAA & low << 1)
            scales = (0.02 * torch.exp(0.15 * torch.randn(rows, columns // 128, device=device))).half()
            weight = PackedWeight(packed, scales, "ternary", (rows, columns), 128)
            transformer.set_submodule(name, QuantizedLinear(weight))
    for module in transformer.modules():
        for name, parameter in module.named_parameters(recurse=False):
            dense = (0.02 * torch.randn(parameter.shape, device=device)).bfloat16()
            setattr(module, name, nn.Parameter(dense, requires_grad=False))
    rows = side // 16
    with torch.inference_mode():
        modulation = transformer.modulations(torch.tensor([500.0], device=device))[0]
        rotary = transformer.rotary(TEXT, rows, rows)
        text = transformer.embed_text(torch.randn(1, TEXT, config["joint_attention_dim"], device=device))
    latents = torch.randn(1, rows * rows, config["in_channels"], device=device).bfloat16()

    run = StepGraphs(transformer, CudaRecorder()) if graphs else transformer

    def step() -> None:
        with torch.inference_mode():
            run(latents, text, modulation, rotary)

    return step


def diffusers(
    side: int, device: str = "cpu", config: dict[str, Any] = CONFIG, compiled: bool = False
) -> Callable[[], None]:
    """A step of diffusers' transformer in bfloat16."""
    import torch
    from diffusers import Flux2Transformer2DModel

    with torch.device("meta"):
        transformer = Flux2Transformer2DModel(**config)
    transformer = transformer.to(torch.bfloat16).to_empty(device=device)
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter.normal_(std=0.02)
    run = torch.compile(transformer) if compiled else transformer
    rows = side // 16
    latents = torch.randn(1, rows * rows, config["in_channels"], device=device).bfloat16()
    text = torch.randn(1, TEXT, config["joint_attention_dim"], device=device).bfloat16()
    image_ids, text_ids = (torch.zeros(count, 4, device=device) for count in (rows * rows, TEXT))
    image_ids[:, 1] = torch.arange(rows).repeat_interleave(rows)
    image_ids[:, 2] = torch.arange(rows).repeat(rows)
    text_ids[:, 3] = torch.arange(TEXT)
    timestep = torch.tensor([0.5], device=device).bfloat16()

    def step() -> None:
        with torch.inference_mode():
            run(
                hidden_states=latents,
                encoder_hidden_states=text,
                timestep=timestep,
                img_ids=image_ids,
                txt_ids=text_ids,
                guidance=None,
                return_dict=False,
            )

    return step


def serve(contender: str, side: int, threads: int) -> None:
    """In a process of its own: builds the transformer, then makes a step for every line it reads."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.mm(torch.randn(512, 512).bfloat16(), torch.randn(512, 512).bfloat16())  # libraries, not the model
    before = resident_gb()
    step = ours(side) if contender == "ours" else diffusers(side)
    print("ready", flush=True)
    for _ in sys.stdin:
        started, started_processor = time.perf_counter(), time.process_time()
        step()
        seconds, processor = time.perf_counter() - started, time.process_time() - started_processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        report = {"wall_s": seconds, "processor_s": processor, "resident_gb": resident_gb() - before}
        print(json.dumps(report | {"peak_gb": peak - before, "libraries_gb": before}), flush=True)


def resident_gb() -> float:
    """Memory of this process that is in RAM now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def measure(side: int, steps: int, threads: int, contenders: tuple[str, ...]) -> dict[str, Any]:
    """Reports of each contender's steps, taken in turn; the first of each does not count."""
    command = [sys.executable, "-m", "benchmarks.bench_transformer", "--side", str(side)]
    processes = {
        name: subprocess.Popen(
            [*command, "--threads", str(threads), "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in contenders
    }
    reports: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    try:
        for process in processes.values():
            assert process.stdout is not None
            process.stdout.readline()
        for _ in range(steps + 1):
            for name, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                reports[name].append(json.loads(process.stdout.readline()))
                print(name, {key: round(value, 3) for key, value in reports[name][-1].items()}, flush=True)
    finally:
        for process in processes.values():
            process.kill()
    return {
        name: {
            **{
                key: {
                    "median": round(statistics.median(r[key] for r in kept[1:]), 3),
                    "runs": [round(r[key], 3) for r in kept[1:]],
                }
                for key in ("wall_s", "processor_s")
            },
            **{key: round(kept[-1][key], 3) for key in ("resident_gb", "peak_gb", "libraries_gb")},
        }
        for name, kept in reports.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=512, help="pixels of the picture's side")
    parser.add_argument("--steps", type=int, default=3, help="steps of each that count")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    parser.add_argument("--only", choices=CONTENDERS, help="one of them, and nothing is written")
    parser.add_argument("--serve", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()

    import torch

    threads = options.threads or torch.get_num_threads()
    if options.serve:
        serve(options.serve, options.side, threads)
        return
    results: dict[str, Any] = {"benchmark": "transformer", "device": "cpu", "machine": describe_machine()}
    results |= {"side": options.side, "text_tokens": TEXT, "threads": threads}
    contenders = (options.only,) if options.only else CONTENDERS
    results["contenders"] = measure(options.side, options.steps, threads, contenders)
    results["machine"]["load_average_after"] = describe_machine()["load_average"]
    if options.only:
        return
    first, second = (results["contenders"][name]["wall_s"]["median"] for name in CONTENDERS)
    results["times_faster"] = round(second / first, 3)
    print("times faster", results["times_faster"])
    print(write_results("transformer", "cpu", results))


if __name__ == "__main__":
    main()
