"""A whole FLUX.2 [klein] 4B from the files that the community ships to pictures on a CPU.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_4b --scratch /somewhere/with/25GB

The weights are random: a ternary transformer in unpacked float16 (7.75 GB), Qwen3-4B's 27 layers that run in
bfloat16 and FLUX.2's autoencoder, of the true shapes. They are written, imported (transformer without loss,
text encoder in int8), verified and run, each in a process of its own so that its peak memory is known; the
scratch folder is emptied at the end. What pictures look like is not what this measures.

Run again with the same --scratch it goes on behind the last stage that was finished (an import, in the middle
of it); `--stages import,512 --again --keep` repeats some of them. `--layers 1` is a proof in minutes: one
double-stream and one single-stream block of the transformer and as many layers of the text encoder, at the
true widths; its result is named so.

`peak_rss_gb` counts mapped files, which the kernel takes back when it needs room; `peak_anonymous_gb` is what
must fit. `cpu_s` is the time of all threads: on a machine that does other work too the seconds are an upper
limit, and this hardly moves.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

IDEAL_GB = 1.21
"""1.71 bits a ternary weight and 16 a dense one: what the vendor calls the model's size."""

TRANSFORMER = {
    "_class_name": "Flux2Transformer2DModel",
    "in_channels": 128,
    "out_channels": None,
    "num_layers": 5,
    "num_single_layers": 20,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
    "timestep_guidance_channels": 256,
    "mlp_ratio": 3.0,
    "axes_dims_rope": [32, 32, 32, 32],
    "rope_theta": 2000,
    "eps": 1e-6,
    "patch_size": 1,
    "guidance_embeds": False,
}
TEXT_ENCODER = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000,
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
    "tie_word_embeddings": True,
}
SHARD = 2 << 30
LOADS = 3


class Peak:
    """The memory of this process, looked at ten times a second."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, int, int]] = []
        """when (perf_counter), resident and anonymous bytes"""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            found = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith(" kB")}
            resident, anonymous = int(found["VmRSS"]) * 1024, int(found["RssAnon"]) * 1024
            self.samples.append((time.perf_counter(), resident, anonymous))
            time.sleep(0.1)

    @property
    def anonymous(self) -> int:
        """The most so far."""
        return max((sample[2] for sample in self.samples), default=0)

    def facts(self, start: float = 0, end: float = math.inf) -> dict[str, float]:
        """The most between two times."""
        seen = [sample for sample in self.samples if start <= sample[0] <= end] or self.samples[-1:]
        return {
            "peak_rss_gb": round(max(sample[1] for sample in seen) / 1e9, 2),
            "peak_anonymous_gb": round(max(sample[2] for sample in seen) / 1e9, 2),
        }


def write(folder: Path, layers: int | None) -> dict[str, Any]:
    """The checkpoint in diffusers layout, shard by shard; what an earlier run left is begun anew."""
    import torch
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler

    from imagegen.networks.text_encoder import TextEncoder, TextEncoderConfig
    from imagegen.networks.transformer import Transformer, TransformerConfig
    from imagegen.weights.catalog import BUNDLED
    from imagegen.weights.config import read_config
    from imagegen.weights.importers import names

    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(0)
    # Drawn once and read from changing places: as good as new numbers here, and a twentieth of the time.
    codes = torch.randint(-1, 2, (1 << 26,), generator=generator, dtype=torch.int8)
    normal = torch.randn(1 << 26, generator=generator).bfloat16()

    def run(pool: Any, count: int) -> Any:
        start = int(torch.randint(0, len(pool) // 2, (1,), generator=generator))
        return pool.roll(-start)[: min(count, len(pool))].repeat(-(-count // len(pool)))[:count]

    def ternary(name: str, shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            return torch.ones(shape, dtype=torch.float16)
        rows, columns = shape
        if "blocks." not in name:
            return (run(normal, rows * columns).view(shape) * columns**-0.5).half()
        scales = (torch.rand(rows, columns // 128, 1, generator=generator) + 0.5) * 1.2 * columns**-0.5
        return (run(codes, rows * columns).view(rows, -1, 128) * scales.half()).view(shape)

    def dense(name: str, shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            return torch.ones(shape, dtype=torch.bfloat16)
        return run(normal, shape[0] * shape[1]).view(shape) * shape[1] ** -0.5

    blocks = {"num_layers": layers, "num_single_layers": layers} if layers else {}
    image_config = TRANSFORMER | blocks
    chosen = [1, 1, 1] if layers else [9, 18, 27]
    with torch.device("meta"):
        image = Transformer(read_config(TransformerConfig, image_config))
        text = TextEncoder(read_config(TextEncoderConfig, TEXT_ENCODER), tuple(chosen))
    _write_shards(folder / "transformer", image_config, _stored(image, "", names.TRANSFORMER), ternary)
    _write_shards(folder / "text_encoder", TEXT_ENCODER, _stored(text, "model.", names.TEXT_ENCODER), dense)
    own = {"format_version": 1, "defaults": {"text_encoder_out_layers": chosen}}
    (folder / "imagegen.json").write_text(json.dumps(own))
    AutoencoderKLFlux2().to(torch.bfloat16).save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    shutil.copytree(BUNDLED / "tokenizer", folder / "tokenizer")
    index = {"_class_name": "Flux2KleinPipeline", "is_distilled": True}
    (folder / "model_index.json").write_text(json.dumps(index))
    return {"bytes": _bytes(folder), "transformer_bytes": _bytes(folder / "transformer")}


def _stored(network: Any, prefix: str, naming: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes as diffusers and transformers store them; a fused linear's parts are cut here, and
    none of them is checked against the true ones but by their sum."""
    for name, parameter in network.named_parameters():
        pieces = naming(prefix + name)
        rows = _part_rows(name, parameter.shape[0], len(pieces))
        for piece, count in zip(pieces, rows, strict=True):
            yield piece.name, (count, *parameter.shape[1:])


def _part_rows(name: str, rows: int, parts: int) -> list[int]:
    if ".qkv_proj." in name and parts == 3:  # Qwen3-4B: 32 heads of queries, 8 of keys, 8 of values
        return [rows * 32 // 48, rows * 8 // 48, rows * 8 // 48]
    return [rows // parts] * parts


def _write_shards(
    folder: Path,
    config: dict[str, Any],
    stored: Iterator[tuple[str, tuple[int, ...]]],
    make: Callable[[str, tuple[int, ...]], Any],
) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    stem = "model" if "model_type" in config else "diffusion_pytorch_model"
    weight_map: dict[str, str] = {}
    shard: dict[str, Any] = {}

    def flush() -> None:
        file = f"{stem}-{len(set(weight_map.values())) + 1:05d}.safetensors"
        save_file(shard, folder / file)
        weight_map.update(dict.fromkeys(shard, file))
        shard.clear()

    for name, shape in stored:
        shard[name] = make(name, shape).contiguous()
        if sum(tensor.nbytes for tensor in shard.values()) > SHARD:
            flush()
    flush()
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index))


def import_(source: Path, models: Path) -> dict[str, Any]:
    from imagegen.weights.importers.importing import Options, import_model
    from imagegen.weights.manifest import component_facts

    shutil.rmtree(models / "klein", ignore_errors=True)  # of an earlier run; a half import goes on
    peak = Peak()
    begun: dict[str, float] = {}

    def tell(what: str, done: int, total: int) -> None:
        begun.setdefault(what, time.perf_counter())

    imported = import_model(source, "klein", models, Options("keep", "int8"), on_progress=tell)
    ends = [*list(begun.values())[1:], time.perf_counter()]
    folder = imported.card.path
    return {
        "seconds": round(imported.seconds, 1),
        "cpu_s": round(time.process_time(), 1),
        "source_gb_per_s": round(_bytes(source) / 1e9 / imported.seconds, 3),
        **peak.facts(),
        "by_part": {  # each from its first tensor that is written; "checking" reads all for the hashes
            what: {"seconds": round(end - start, 1), **peak.facts(start, end)}
            for (what, start), end in zip(begun.items(), ends, strict=True)
        },
        "components": {
            name: component_facts(folder / name) for name in ("transformer", "text_encoder", "vae")
        },
        "transformer_gb": round(_bytes(folder / "transformer") / 1e9, 3),
        "ideal_transformer_gb": IDEAL_GB,
        "bytes": _bytes(folder),
    }


def verify_(models: Path) -> dict[str, Any]:
    from imagegen.weights.catalog import find_model
    from imagegen.weights.verify import verify

    started = time.perf_counter()
    files = verify(find_model("klein", models))
    seconds = round(time.perf_counter() - started, 1)
    return {"files": len(files), "seconds": seconds, "cpu_s": round(time.process_time(), 1)}


def load_(models: Path) -> dict[str, Any]:
    """Processes that start and load, until a picture could be begun: the files are in the page cache."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.bench_4b",
        "--scratch",
        str(models.parent),
        "--stage",
        "ready",
    ]
    runs = [json.loads(subprocess.check_output(command, text=True).splitlines()[-1]) for _ in range(LOADS)]
    middle = sorted(runs, key=lambda run: run["start_to_ready_s"])[LOADS // 2]
    return {"median": middle, "runs": runs}


def ready(models: Path) -> tuple[dict[str, Any], Any, Peak]:
    """Import, load, and say what it took; the pipeline."""
    peak = Peak()
    import torch

    from imagegen.pipeline.text_to_image import TextToImage
    from imagegen.weights.catalog import find_model
    from imagegen.weights.load import load_components

    imports = time.perf_counter() - STARTED
    pipeline = TextToImage(load_components(find_model("klein", models), "cpu"))
    facts = {
        "threads": torch.get_num_threads(),
        "imports_s": round(imports, 2),
        "start_to_ready_s": round(time.perf_counter() - STARTED, 2),
        "start_to_ready_cpu_s": round(time.process_time(), 2),
    }
    return {**facts, **peak.facts()}, pipeline, peak


def picture(models: Path, side: int) -> dict[str, Any]:
    """A process that starts, loads and makes two pictures: the first unpacks base 3 too."""
    when_ready, pipeline, peak = ready(models)
    pictures = []
    for seed in (1, 2):
        started, cpu = time.perf_counter(), time.process_time()
        batch = pipeline.generate(["a ceramic mug on a plain background"], [seed], side, side, 4)
        stages, begun = {}, started
        for stage, seconds in batch.timings.items():
            stages[stage] = {"seconds": round(seconds, 2), **peak.facts(begun, begun + seconds)}
            begun += seconds
        pictures.append(
            {
                "seconds": round(time.perf_counter() - started, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
                "by_stage": stages,
            }
        )
    return {
        "size": f"{side}x{side}",
        "steps": 4,
        "ready": when_ready,
        "first": pictures[0],
        "second": pictures[1],
        **peak.facts(),
    }


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def stage(name: str, scratch: Path, layers: int | None) -> dict[str, Any]:
    source, models = scratch / "klein-unpacked", scratch / "models"
    if name == "write":
        return write(source, layers)
    if name == "import":
        return import_(source, models)
    if name == "verify":
        return verify_(models)
    if name == "load":
        return load_(models)
    if name == "ready":
        return ready(models)[0]
    return picture(models, int(name))


def main() -> None:
    from benchmarks.machine import describe_machine, write_results

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", type=Path, required=True, help="a folder with 25 GB to spare")
    parser.add_argument(
        "--stages", default="write,import,verify,load,256,512", help="what to run, in this order"
    )
    parser.add_argument("--layers", type=int, help="of the transformer and text encoder, for a proof")
    parser.add_argument("--again", action="store_true", help="repeat stages that were finished before")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="leave the files")
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(stage(options.stage, options.scratch, options.layers)))
        return
    options.scratch.mkdir(parents=True, exist_ok=True)
    so_far = options.scratch / "results.json"  # of stages that ran before
    results: dict[str, Any] = json.loads(so_far.read_text()) if so_far.is_file() else {"benchmark": "4b"}
    if so_far.is_file() and results.get("layers") != options.layers:
        parser.error(f"{options.scratch} holds a run with --layers {results.get('layers')}")
    results["layers"] = options.layers
    results["machine"] = describe_machine()
    for name in options.stages.split(","):
        if not options.again and (f"picture_{name}" if name.isdigit() else name) in results:
            print(f"{name}: done before", flush=True)
            continue
        command = [
            sys.executable,
            "-m",
            "benchmarks.bench_4b",
            "--scratch",
            str(options.scratch),
            "--stage",
            name,
            *([] if options.layers is None else ["--layers", str(options.layers)]),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        facts = json.loads(done.stdout.splitlines()[-1])
        results[f"picture_{name}" if name.isdigit() else name] = facts
        print(name, json.dumps(facts), flush=True)
        results["machine"]["load_average_at_the_end"] = describe_machine()["load_average"]
        so_far.write_text(json.dumps(results))
        print(write_results("4b" if options.layers is None else "4b-proof", "cpu", results))
    if not options.keep:
        shutil.rmtree(options.scratch)


if __name__ == "__main__":
    main()
