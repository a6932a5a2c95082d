"""Pictures of a 4B FLUX.2 [klein] with random weights by stage: ours beside diffusers, eager and compiled.

    PYTHONPATH=. .venv-gpu/bin/python -m benchmarks.bench_denoise_4b
    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_denoise_4b --device cpu --tiny  # that it runs

Speed does not depend on what the weights are. Batch 1, four steps, 512 text tokens, bfloat16; ours with
packed ternary weights, group 128. The stages are timed apart: `denoise` is the four steps from noise to
latents, `text_encoder` Qwen3-4B on 512 tokens, `decode` the autoencoder. All contenders of a stage run in
turn in one process, round after round, once warm (compiling is told apart). Memory is what torch holds at
most during one call, less what was held before the contender was built, so its weights count; only on a
GPU.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import bench_transformer
from benchmarks.bench_4b import TEXT_ENCODER
from benchmarks.machine import describe_machine, write_results
from benchmarks.turns import take_turns

STEPS = 4
SIDES = (512, 1024)
Builder = Callable[[], Callable[[], object]]
"""Makes a contender; what it gives is one call of it."""

TINY: dict[str, Any] = bench_transformer.CONFIG | {
    "num_layers": 1,
    "num_single_layers": 1,
    "num_attention_heads": 2,
    "joint_attention_dim": 256,
}
TINY_TEXT = {
    "hidden_size": 256,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 512,
}


def random_weights(model: Any) -> Any:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.02)
    return model.eval()


def denoisers(side: int, device: str, tiny: bool) -> dict[str, Builder]:
    """Builders of one transformer step of each contender."""
    config = TINY if tiny else bench_transformer.CONFIG

    def compiled() -> Callable[[], object]:
        return bench_transformer.diffusers(side, device, config, compiled=True)

    found: dict[str, Builder] = {
        "ours": lambda: bench_transformer.ours(side, device, config),
        "diffusers": lambda: bench_transformer.diffusers(side, device, config),
    }
    if device == "cpu":
        return found
    found["ours_graphs"] = lambda: bench_transformer.ours(side, device, config, graphs=True)
    return found | {"diffusers_compiled": compiled}


def text_encoders(device: str, tiny: bool) -> dict[str, Builder]:
    from transformers import Qwen3Config, Qwen3Model

    def build(compiled: bool) -> Callable[[], object]:
        config = Qwen3Config(**(TEXT_ENCODER | {"num_hidden_layers": 27} | (TINY_TEXT if tiny else {})))
        with torch.device(device):
            model = random_weights(Qwen3Model(config).to(torch.bfloat16))
            words = torch.randint(0, config.vocab_size, (1, bench_transformer.TEXT))
        run: Callable[..., object] = torch.compile(model) if compiled else model
        return lambda: run(words, output_hidden_states=True)

    found: dict[str, Builder] = {"transformers": lambda: build(False)}
    return found if device == "cpu" else found | {"transformers_compiled": lambda: build(True)}


def decoders(side: int, device: str, tiny: bool) -> dict[str, Builder]:
    from diffusers import AutoencoderKLFlux2

    def build(compiled: bool) -> Callable[[], object]:
        with torch.device(device):
            model = random_weights(AutoencoderKLFlux2().to(torch.bfloat16))
            latents = torch.randn(1, 32, side // 8, side // 8).bfloat16()
        decode: Callable[..., object] = torch.compile(model.decode) if compiled else model.decode
        return lambda: decode(latents)

    found: dict[str, Builder] = {"diffusers": lambda: build(False)}
    return found if device == "cpu" else found | {"diffusers_compiled": lambda: build(True)}


def stage(builders: dict[str, Builder], calls: int, budget_s: float, device: str) -> dict[str, Any]:
    """Each contender built, run once, then all in turn. A run is `calls` calls."""
    runs: dict[str, Callable[[], object]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for name, build in builders.items():
        before = torch.cuda.memory_allocated() if device == "cuda" else 0
        one = build()

        def run(one: Callable[[], object] = one) -> None:
            for _ in range(calls):
                one()

        started = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        facts[name] = {"first_call_s": round(time.perf_counter() - started, 3)}
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            run()
            torch.cuda.synchronize()
            facts[name]["peak_gb"] = round((torch.cuda.max_memory_allocated() - before) / 1e9, 3)
            facts[name]["weights_gb"] = round((torch.cuda.memory_allocated() - before) / 1e9, 3)
        runs[name] = run
    seconds = take_turns(runs, budget_s, device)
    found = {name: facts[name] | seconds[name] for name in runs}
    runs.clear()
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds a stage (three rounds at least)")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="pixels of the picture's side")
    parser.add_argument("--tiny", action="store_true", help="a miniature, and nothing is written")
    options = parser.parse_args()
    torch.manual_seed(0)
    results: dict[str, Any] = {"benchmark": "denoise-4b", "device": options.device, "steps": STEPS}
    results["machine"] = describe_machine()
    sides = (64,) if options.tiny else options.sides
    budget, device, tiny = 0.0 if options.tiny else options.budget, options.device, options.tiny
    with torch.inference_mode():
        results["text_encoder"] = stage(text_encoders(device, tiny), 1, budget, device)
        print("text_encoder", results["text_encoder"], flush=True)
        results["pictures"] = {}
        for side in sides:
            found = {
                "denoise": stage(denoisers(side, device, tiny), STEPS, budget, device),
                "decode": stage(decoders(side, device, tiny), 1, budget, device),
            }
            results["pictures"][str(side)] = found
            print(side, found, flush=True)
    results["machine"]["load_average_after"] = describe_machine()["load_average"]
    if not options.tiny:
        print(write_results("denoise-4b", options.device, results))


if __name__ == "__main__":
    main()
