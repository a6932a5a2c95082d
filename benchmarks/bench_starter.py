"""The bundled model beside diffusers with the same weights: how long a picture takes, how long loading does.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_starter

ours            `TextToImage` on imagegen/starter as it ships: packed linears, by stage
diffusers_fp32  `Flux2KleinPipeline` in float32 on the same weights, the packed ones unpacked
diffusers_bf16  the same in bfloat16

All three make the same pictures (prompt, seed, size, 4 steps, batch 1) in turn in one process with the same
threads; a different one goes first each round. A prompt comes once only, so nothing is made from what was
kept of it. Diffusers returns its pixels as they are (`output_type="np"`), which costs it less than PIL. Wall
seconds suffer from what else the machine does; processor seconds hardly do, but count threads that wait.
Loading is timed in fresh processes: importing what is needed, then reading the folder into networks, then a
first picture.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import describe_machine, write_results

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagegen.pipeline.text_to_image import TextToImage
    from imagegen.weights.catalog import ModelCard

MODEL = "starter"
STEPS = 4
COLOURS = ("navy blue", "brown", "red", "black", "white", "olive green", "pink", "grey", "yellow", "purple")
ITEMS = ("running shoe", "leather handbag", "lipstick", "sunglasses", "t-shirt", "men's watch", "sandal")
CONTENDERS = ("ours", "diffusers_fp32", "diffusers_bf16")

Picture = Callable[[str, int], "NDArray[np.uint8]"]
"""(prompt, seed) -> uint8 [H, W, 3]."""


def prompts(count: int) -> list[str]:
    """That many different prompts, up to 70."""
    pairs = [f"{colour} {item}" for item in ITEMS for colour in COLOURS]
    step = 31  # has no divisor in common with 70: neighbours differ in item and colour
    return [pairs[(number * step) % len(pairs)] for number in range(count)]


def unpack(checkpoint: Path, target: Path) -> None:
    """A copy of a checkpoint folder that diffusers reads: the same values as float32 tensors, nothing
    packed."""
    from safetensors.torch import load_file, save_file

    from imagegen_kernels.formats import PackedWeight, dequantize

    shutil.copytree(checkpoint, target)
    for file in target.rglob("*.safetensors"):
        config_file = file.with_name("config.json")
        config = json.loads(config_file.read_text())
        quantization = config.pop("quantization_config", None)
        stored, plain = load_file(file), {}
        for name, tensor in stored.items():
            if name.endswith(".scales"):
                continue
            if not name.endswith(".packed"):
                plain[name] = tensor.float() if tensor.is_floating_point() else tensor
                continue
            weight = name.removesuffix(".packed")
            columns = tensor.shape[1] * (4 if quantization["format"] == "ternary" else 1)
            group = columns if quantization["group_size"] == "row" else quantization["group_size"]
            scales = stored[f"{weight}.scales"]
            shape = (tensor.shape[0], columns)
            plain[weight] = dequantize(PackedWeight(tensor, scales, quantization["format"], shape, group))
        file.unlink()  # not in place: the original may be a hard link to it
        save_file(plain, file, metadata={"format": "pt"})
        config_file.write_text(json.dumps(config, indent=2) + "\n")


def load_ours() -> TextToImage:
    """The bundled model, as the engine loads it on a CPU."""
    from imagegen.pipeline.text_to_image import TextToImage
    from imagegen.weights.catalog import find_model
    from imagegen.weights.load import load_components

    return TextToImage(load_components(find_model(MODEL), "cpu"))


def load_diffusers(folder: Path, dtype: str) -> Any:
    """Flux2KleinPipeline on an unpacked copy, in the torch dtype of that name."""
    import torch
    from diffusers import Flux2KleinPipeline

    pipeline = Flux2KleinPipeline.from_pretrained(folder, dtype=getattr(torch, dtype))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def ours(pipeline: TextToImage, card: ModelCard, stages: list[dict[str, float]]) -> Picture:
    """Makes one picture with our pipeline and notes the seconds of its stages."""

    def make(prompt: str, seed: int) -> NDArray[np.uint8]:
        batch = pipeline.generate([prompt], [seed], card.width, card.height, STEPS)
        stages.append(batch.timings)
        return batch.pictures[0].picture

    return make


def theirs(pipeline: Any, card: ModelCard) -> Picture:
    """Makes the same picture with diffusers."""
    import torch

    def make(prompt: str, seed: int) -> NDArray[np.uint8]:
        pixels = pipeline(
            prompt=prompt,
            width=card.width,
            height=card.height,
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(seed),
            max_sequence_length=card.text_length,
            text_encoder_out_layers=card.text_encoder_out_layers,
            output_type="np",
        ).images[0]
        levels: NDArray[np.uint8] = (pixels * 255).round().astype("uint8")
        return levels

    return make


def warm(folder: Path, pictures: int) -> dict[str, Any]:
    """Seconds a picture of each contender, interleaved, after two pictures that do not count."""
    from imagegen.weights.catalog import find_model

    card = find_model(MODEL)
    stages: list[dict[str, float]] = []
    contenders: dict[str, Picture] = {
        "ours": ours(load_ours(), card, stages),
        "diffusers_fp32": theirs(load_diffusers(folder, "float32"), card),
        "diffusers_bf16": theirs(load_diffusers(folder, "bfloat16"), card),
    }
    for seed, prompt in enumerate(("warm-up", "warm-up again")):
        for make in contenders.values():
            make(prompt, seed)
    stages.clear()

    wall: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    exact: dict[str, list[float]] = {name: [] for name in contenders}
    for seed, prompt in enumerate(prompts(pictures)):
        made = {}
        for turn in range(len(CONTENDERS)):
            name = CONTENDERS[(seed + turn) % len(CONTENDERS)]
            started, started_processor = time.perf_counter(), time.process_time()
            made[name] = contenders[name](prompt, seed)
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - started_processor)
        for name, picture in made.items():
            exact[name].append(peak_signal_to_noise(picture, made["diffusers_fp32"]))

    better = {
        measure: min(statistics.median(times[name]) for name in CONTENDERS[1:])
        for measure, times in (("wall", wall), ("processor", processor))
    }
    return {
        "size": [card.width, card.height],
        "steps": STEPS,
        "pictures": pictures,
        "wall_s": {name: summary(values) for name, values in wall.items()},
        "processor_s": {name: summary(values) for name, values in processor.items()},
        "our_stages_s": {stage: summary([lap[stage] for lap in stages]) for stage in stages[0]},
        "times_faster_than_better_diffusers": {
            "wall": round(better["wall"] / statistics.median(wall["ours"]), 3),
            "processor": round(better["processor"] / statistics.median(processor["ours"]), 3),
        },
        "times_faster_picture_by_picture": {
            name: summary([b / a for a, b in zip(wall["ours"], wall[name], strict=True)])
            for name in CONTENDERS[1:]
        },
        "psnr_against_diffusers_fp32_db": {name: summary(exact[name]) for name in ("ours", "diffusers_bf16")},
    }


def peak_signal_to_noise(picture: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """In dB, over all pixels and colours of two uint8 pictures; 99 where they are equal."""
    import numpy as np

    error = float(np.mean((picture.astype(np.float64) - reference) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def load_once(contender: str, folder: Path) -> dict[str, float]:
    """Seconds of importing, loading and a first picture, in this process, which must be fresh."""
    started = time.perf_counter()
    import torch  # noqa: F401

    torch_imported = time.perf_counter()
    if contender == "ours":
        import imagegen.pipeline.text_to_image
        import imagegen.weights.load  # noqa: F401
    else:
        from diffusers import Flux2KleinPipeline  # noqa: F401
    imported = time.perf_counter()
    if contender == "ours":
        pipeline: Any = load_ours()
    else:
        pipeline = load_diffusers(folder, "float32" if contender.endswith("fp32") else "bfloat16")
    loaded = time.perf_counter()
    from imagegen.weights.catalog import find_model

    card = find_model(MODEL)
    make = ours(pipeline, card, []) if contender == "ours" else theirs(pipeline, card)
    before = time.perf_counter()
    make("red lipstick", 0)
    return {
        "import_torch_s": torch_imported - started,
        "import_rest_s": imported - torch_imported,
        "load_s": loaded - imported,
        "first_picture_s": time.perf_counter() - before,
    }


def load(folder: Path, runs: int, threads: int) -> dict[str, Any]:
    """`load_once` of each contender in `runs` fresh processes, interleaved."""
    command = [sys.executable, "-m", "benchmarks.bench_starter", "--threads", str(threads)]
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(runs):
        for name in CONTENDERS:
            arguments = ["--load-once", name, "--folder", str(folder)]
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
            seconds[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: {part: summary([single[part] for single in all_runs]) for part in all_runs[0]}
        for name, all_runs in seconds.items()
    }


def summary(values: list[float]) -> dict[str, Any]:
    """Median, minimum and maximum beside every single value, in the order measured."""
    runs = [round(value, 4) for value in values]
    return {"median": round(statistics.median(runs), 4), "min": min(runs), "max": max(runs), "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=20, help="pictures of each contender (at most 70)")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes of each contender; 0: none")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--load-once", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load_once:
        if options.threads:
            import os

            os.environ["OMP_NUM_THREADS"] = str(options.threads)
        print(json.dumps(load_once(options.load_once, options.folder)))
        return
    if not 1 <= options.pictures <= len(COLOURS) * len(ITEMS):
        parser.error(f"--pictures: 1 to {len(COLOURS) * len(ITEMS)}, a prompt for each")

    import torch

    from imagegen.weights.catalog import find_model

    if options.threads:
        torch.set_num_threads(options.threads)
    results: dict[str, Any] = {"benchmark": "starter", "model": MODEL, "device": "cpu"}
    results["machine"] = describe_machine()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "unpacked"
        unpack(find_model(MODEL).path, folder)
        results["warm"] = warm(folder, options.pictures)
        results["load"] = load(folder, options.runs, torch.get_num_threads()) if options.runs else None
    results["machine"]["load_average_after"] = describe_machine()["load_average"]

    measured = results["warm"]
    for kind in ("wall_s", "processor_s", "our_stages_s", "psnr_against_diffusers_fp32_db"):
        print(f"{kind:32}", {name: values["median"] for name, values in measured[kind].items()})
    print("times faster than better diffusers", measured["times_faster_than_better_diffusers"])
    for name, parts in (results["load"] or {}).items():
        print(f"{name:32}", {part: values["median"] for part, values in parts.items()})
    if not options.no_write:
        print(write_results("starter", "cpu", results))


if __name__ == "__main__":
    main()
