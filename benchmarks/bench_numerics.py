"""What int8 and 16-bit activations cost in exactness, against float32: each layer of the bundled model on
what it really gets, its final latents, and made-up activations of the size of a 4B model.

    PYTHONPATH=. .venv/bin/python -m benchmarks.bench_numerics

w2a8    `imagegen_kernels.matmul`: ternary weights, int8 activations a token, scales folded
w1a8    the same on binary weights: the signs of random numbers, with the layer's own scales
w2a16   the layer's ternary weight as bfloat16, bfloat16 activations
w2a8_group     int8 activations with a scale for every 128 channels instead of one a token, scales not folded
w2a8_outliers  the eight channels with the largest activations stay in float32, the others as w2a8

An error is |got - float32| / |float32|, Euclidean, over all tokens of a layer and picture, on the same packed
weights; a layer's float32 is computed in float64. Latents are those that the denoising of some pictures ends
with, against all layers in float32. Numbers do not depend on the machine, but for the last digits.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.bench_starter import STEPS, load_ours, prompts
from benchmarks.machine import describe_machine, write_results
from imagegen.networks import quantized_linear
from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen.pipeline import text_to_image
from imagegen.pipeline.denoise import denoise
from imagegen_kernels import matmul, matmul_residual, matmul_swiglu
from imagegen_kernels.formats import PackedWeight, dequantize, pack_binary, pack_ternary
from imagegen_kernels.matmul import reference
from imagegen_kernels.modulate import Modulated
from imagegen_kernels.quantize.reference import quantize

GROUP = 128
OUTLIERS = 8
Run = Callable[[Tensor, PackedWeight], Tensor]


def exact(x: Tensor, weight: PackedWeight) -> Tensor:
    return x.double() @ dequantize(weight, torch.float64).T


def w2a8(x: Tensor, weight: PackedWeight) -> Tensor:
    return reference.matmul(x.float(), weight)


def w2a16(x: Tensor, weight: PackedWeight) -> Tensor:
    return functional.linear(x.bfloat16(), dequantize(weight, torch.bfloat16))


def w2a8_group(x: Tensor, weight: PackedWeight) -> Tensor:
    codes, scale = quantize(x.reshape(*x.shape[:-1], -1, GROUP))
    return exact((codes * scale).view(x.shape), weight)


def w2a8_outliers(x: Tensor, weight: PackedWeight) -> Tensor:
    apart = x.reshape(-1, x.shape[-1]).abs().amax(dim=0).topk(OUTLIERS).indices
    rest = x.index_fill(-1, apart, 0)
    return w2a8(rest, weight).double() + exact(x - rest, weight)


RUNS: dict[str, Run] = {
    "w2a8": w2a8,
    "w2a16": w2a16,
    "w2a8_group": w2a8_group,
    "w2a8_outliers": w2a8_outliers,
}


def binary_like(weight: PackedWeight) -> PackedWeight:
    """A binary weight of the same shape and scales."""
    generator = torch.Generator().manual_seed(weight.shape[0])
    codes = torch.randint(0, 2, weight.shape, dtype=torch.int8, generator=generator) * 2 - 1
    return PackedWeight(pack_binary(codes), weight.scales, "binary", weight.shape, weight.group_size)


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


def errors(x: Tensor, weight: PackedWeight) -> dict[str, float]:
    """Of every way, for activations [M, K]; beside them how far the largest stick out of their token."""
    expected = exact(x, weight)
    found = {name: error(run(x, weight), expected) for name, run in RUNS.items()}
    binary = binary_like(weight)
    found["w1a8"] = error(w2a8(x, binary), exact(x, binary))
    found["peak_over_rms"] = float((x.abs().amax(-1) / x.square().mean(-1).sqrt().clamp_min(1e-30)).median())
    return {name: round(value, 6) for name, value in found.items()}


@contextmanager
def activations(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """What every ternary layer gets while this is open, by name."""
    seen: dict[str, list[Tensor]] = defaultdict(list)
    names = {
        id(layer.weight): name for name, layer in model.named_modules() if isinstance(layer, QuantizedLinear)
    }

    def watched(run: Callable[..., Any]) -> Callable[..., Any]:
        def inner(x: Tensor | Modulated, weight: PackedWeight, *more: Any) -> Any:
            if isinstance(x, Modulated):
                x = x.values()
            if id(weight) in names:
                seen[names[id(weight)]].append(x.float().reshape(-1, x.shape[-1]))
            return run(x, weight, *more)

        return inner

    with (
        patch.object(quantized_linear, "matmul", watched(matmul)),
        patch.object(quantized_linear, "matmul_swiglu", watched(matmul_swiglu)),
        patch.object(quantized_linear, "matmul_residual", watched(matmul_residual)),
    ):
        yield seen


@contextmanager
def layers_as(model: nn.Module, run: Run, taken: Callable[[str], bool]) -> Iterator[None]:
    """Every ternary layer computed in float32 from its dequantised weight, those `taken` by `run`."""
    before = {name: layer for name, layer in model.named_modules() if isinstance(layer, QuantizedLinear)}
    for name, layer in before.items():
        model.set_submodule(name, _Layer(layer, run if taken(name) else None))
    yield
    for name, layer in before.items():
        model.set_submodule(name, layer)


class _Layer(nn.Module):
    def __init__(self, layer: QuantizedLinear, run: Run | None) -> None:
        super().__init__()
        self.packed, self.bias, self.run = layer.weight, layer.bias, run
        self.dense = dequantize(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        if self.run is None:
            return functional.linear(x, self.dense.to(x.dtype), self.bias)
        out = self.run(x, self.packed).to(x.dtype)
        return out if self.bias is None else out + self.bias


def latents_of(pipeline: Any, pictures: int) -> Tensor:
    """What the denoising of that many pictures ends with, float32."""
    card, kept = pipeline.components.card, []

    def keep(*arguments: Any, **more: Any) -> Tensor:
        kept.append(denoise(*arguments, **more))
        return kept[-1]

    with patch.object(text_to_image, "denoise", keep):
        for seed, prompt in enumerate(prompts(pictures)):
            pipeline.generate([prompt], [seed], card.width, card.height, STEPS)
    return torch.stack(kept)


def bundled(pictures: int) -> dict[str, Any]:
    """The bundled model: every layer's errors, and what each way does to the latents."""
    pipeline = load_ours()
    model = pipeline.components.transformer
    with activations(model) as seen:
        latents_of(pipeline, pictures)
    layers: dict[str, dict[str, Any]] = {}
    for name, layer in model.named_modules():
        if name in seen and isinstance(layer, QuantizedLinear):
            layers[name] = {"shape": list(layer.weight.shape), **errors(torch.cat(seen[name]), layer.weight)}
            print(f"{name:60}", layers[name], flush=True)

    def everything(name: str) -> bool:
        return True

    with layers_as(model, w2a8, lambda name: False):
        expected = latents_of(pipeline, pictures)
    latents = {}
    for way, run in RUNS.items():
        with layers_as(model, run, everything):
            latents[way] = error(latents_of(pipeline, pictures), expected)
        print(way, latents[way], flush=True)
    worst = sorted(layers, key=lambda name: -layers[name]["w2a8"])[: max(len(layers) // 10, 1)]
    with layers_as(model, w2a8, lambda name: name not in worst):
        latents["w2a8, the worst tenth in float32"] = error(latents_of(pipeline, pictures), expected)
    with layers_as(model, w2a8, lambda name: name in worst):
        latents["only the worst tenth w2a8"] = error(latents_of(pipeline, pictures), expected)
    print(latents, worst)
    return {"pictures": pictures, "layers": layers, "worst": worst, "latents": latents}


def made_up() -> dict[str, Any]:
    """Activations of a 4B model's widths, of several shapes: 512 tokens, 1024 rows of ternary weight."""
    torch.manual_seed(0)
    found: dict[str, Any] = {}
    for columns in (3072, 9216):
        codes = torch.randint(-1, 2, (1024, columns), dtype=torch.int8)
        scales = (0.02 * torch.exp(0.15 * torch.randn(1024, columns // GROUP))).half()
        weight = PackedWeight(pack_ternary(codes), scales, "ternary", (1024, columns), GROUP)
        x = torch.randn(512, columns)
        apart = torch.randperm(columns)[:OUTLIERS]
        for name, activation in {
            "normal": x,
            "laplace": torch.distributions.Laplace(0.0, 1.0).sample((512, columns)),
            "student t, 3 degrees": torch.distributions.StudentT(3.0).sample((512, columns)),
            "swiglu of normals": functional.silu(x) * torch.randn(512, columns),
            "normal, 8 channels x20": x.index_copy(1, apart, x[:, apart] * 20),
            "normal, 8 channels x100": x.index_copy(1, apart, x[:, apart] * 100),
        }.items():
            found[f"{columns}: {name}"] = errors(activation, weight)
            print(f"{columns}: {name:30}", found[f"{columns}: {name}"], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=3, help="pictures of the bundled model")
    options = parser.parse_args()
    results: dict[str, Any] = {"benchmark": "numerics", "device": "cpu", "machine": describe_machine()}
    with torch.inference_mode():
        results["made_up"] = made_up()
        results["starter"] = bundled(options.pictures)
    print(write_results("numerics", "cpu", results))


if __name__ == "__main__":
    main()
