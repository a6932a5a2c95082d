"""Decoding large pictures: colours and seams of bands and of tiles, seconds and memory.

    PYTHONPATH=.:postprocess .venv/bin/python -m benchmarks.bench_decode

Colours: real photos (../shared/data) go through the bundled autoencoder, in float32; the same latents are
decoded whole, in our bands, and by diffusers' own tiled decoding with the same weights (tiles of 256 pixels,
a quarter of it blended). Cost: FLUX.2's decoder with random weights in bfloat16, each run in a process of its
own. The colours do not depend on how busy the machine is, the cost does: `--photos 0` measures it alone and
leaves today's colours in the result.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps

from benchmarks.bench_4b import Peak
from benchmarks.machine import describe_machine, read_results, write_results
from benchmarks.real_photos import photos

BANDS = 1 << 20
"""Bytes a band in the comparison of colours: small, so that a picture of 512 pixels has several."""

TILE = 256


def colours(count: int, side: int) -> dict[str, Any]:
    """Differences from the whole decode in levels, and CIEDE2000 of all pixels and along the tiles' edges."""
    from diffusers import AutoencoderKLFlux2

    from imagegen.networks.autoencoder import Autoencoder, AutoencoderConfig
    from imagegen.networks.banded_decoder import decode_in_bands
    from imagegen.weights.catalog import BUNDLED
    from imagegen.weights.config import read_config

    config = json.loads((BUNDLED / "vae" / "config.json").read_text())
    reference = AutoencoderKLFlux2.from_pretrained(BUNDLED / "vae", torch_dtype=torch.float32).eval()
    reference.enable_tiling()
    ours = Autoencoder(read_config(AutoencoderConfig, config)).eval()
    stored = reference.state_dict()
    ours.load_state_dict({name: stored[name] for name in ours.state_dict()})
    found: dict[str, list[dict[str, float]]] = {"tiles": [], "bands": []}
    for _, photo in itertools.islice(photos(), count):
        square = np.asarray(ImageOps.fit(photo, (side, side)), dtype=np.float32) / 127.5 - 1
        latents = ours.encode(torch.from_numpy(square).permute(2, 0, 1).unsqueeze(0))
        whole = ours.decode(latents)
        found["tiles"].append(_compared(reference.decode(latents).sample, whole))
        found["bands"].append(_compared(decode_in_bands(ours, latents, BANDS), whole))
    return {
        "photos": count,
        "side": side,
        **{
            way: {
                measure: {
                    "mean": round(float(np.mean([each[measure] for each in every])), 4),
                    "worst": round(max(each[measure] for each in every), 4),
                }
                for measure in every[0]
            }
            for way, every in found.items()
        },
    }


def _compared(one: torch.Tensor, whole: torch.Tensor) -> dict[str, float]:
    from imagegen_postprocess.colour.difference import ciede2000

    levels = (one - whole) * 127.5
    difference = ciede2000(_lab(one), _lab(whole))
    step = TILE * 3 // 4  # where diffusers' tiles begin
    edges = [line for start in range(step, len(difference), step) for line in range(start - 8, start + 8)]
    along = np.concatenate([difference[edges].ravel(), difference[:, edges].ravel()])
    return {
        "levels_mean": float(levels.abs().mean()),
        "levels_max": float(levels.abs().max()),
        "levels_shift_of_a_colour": float(levels.mean((0, 2, 3)).abs().max()),
        "ciede2000_mean": float(difference.mean()),
        "ciede2000_max": float(difference.max()),
        "ciede2000_along_edges": float(along.mean()),
    }


def _lab(picture: torch.Tensor) -> NDArray[np.floating]:
    from imagegen_postprocess.colour.linear import to_lab

    pixels = ((picture[0].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)
    return to_lab(pixels.to(torch.uint8).numpy())


def cost(way: str, side: int) -> dict[str, Any]:
    """One decoding after a small one that warms up."""
    from imagegen.networks.autoencoder import Autoencoder, AutoencoderConfig
    from imagegen.networks.banded_decoder import decode_in_bands

    torch.manual_seed(0)
    autoencoder = Autoencoder(
        AutoencoderConfig(block_out_channels=(128, 256, 512, 512)), parts=("decoder",)
    ).bfloat16()
    for name in Autoencoder.WIDE:
        autoencoder.get_submodule(name).float()
    autoencoder.decoder.fold()
    autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    autoencoder.decode(torch.randn(1, 32, 8, 8).bfloat16())
    latents = torch.randn(1, 32, side // 8, side // 8).bfloat16()
    before, peak = Peak(), Peak()
    time.sleep(0.3)
    resting = before.anonymous
    started, cpu = time.perf_counter(), time.process_time()
    autoencoder.decode(latents) if way == "whole" else decode_in_bands(autoencoder, latents)
    return {
        "way": way,
        "side": side,
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "memory_mb": round((peak.anonymous - resting) / 1e6),
    }


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--side", type=int, default=512, help="pixels of the photos")
    parser.add_argument("--cost", type=int, nargs="*", default=[512, 1024], help="sizes of the cost part")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(cost(options.one[0], int(options.one[1]))))
        return
    results: dict[str, Any] = {"benchmark": "decode", "machine": describe_machine()}
    if options.photos:
        results["colours"] = colours(options.photos, options.side)
        print(json.dumps(results["colours"], indent=2), flush=True)
    elif earlier := read_results("decode", "cpu"):
        results["colours"] = earlier["colours"]
    results["cost"] = []
    for side, way in itertools.product(options.cost, ("whole", "bands")):
        command = [sys.executable, "-m", "benchmarks.bench_decode", "--one", way, str(side)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results["cost"].append(json.loads(done.stdout.splitlines()[-1]))
        print(results["cost"][-1], flush=True)
    results["machine"]["load_average_at_the_end"] = describe_machine()["load_average"]
    print(write_results("decode", "cpu", results))


if __name__ == "__main__":
    main()
