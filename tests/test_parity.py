"""With the same weights, ours equals diffusers' Flux2KleinPipeline: embeddings, latents and pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from imagegen.pipeline.decode import decode
from imagegen.pipeline.denoise import denoise
from imagegen.pipeline.latents import noise, to_maps
from imagegen.pipeline.prompt import encode_prompts
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import read_card
from imagegen.weights.load import load_components
from tests.miniature import OUT_LAYERS, TEXT_LENGTH, make_miniature

TOLERANCE = 1e-4
PROMPTS = ["red shoe", "a", "blue handbag on white, with a zip"]
SEEDS = [7, 0, 2**32 - 1]
STEPS = 4


@dataclass(frozen=True)
class Pair:
    """The same checkpoint in diffusers and in ours."""

    reference: Any
    ours: TextToImage

    def reference_run(self, count: int, width: int, height: int, output: str, **options: Any) -> Any:
        run = self.reference(
            prompt=PROMPTS[:count],
            width=width,
            height=height,
            num_inference_steps=STEPS,
            generator=[torch.Generator().manual_seed(seed) for seed in SEEDS[:count]],
            max_sequence_length=TEXT_LENGTH,
            text_encoder_out_layers=OUT_LAYERS,
            output_type=output,
            **options,
        )
        return run.images


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({"dynamic_shift": False}, id="static shift"),
        pytest.param({"dynamic_shift": True, "small_decoder": True}, id="dynamic shift, small decoder"),
    ],
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = make_miniature(tmp_path_factory.mktemp("parity") / "model", seed=3, **request.param)
    from diffusers import Flux2KleinPipeline

    reference = Flux2KleinPipeline.from_pretrained(folder)
    reference.set_progress_bar_config(disable=True)
    return Pair(reference, TextToImage(load_components(read_card(folder), "cpu", torch.float32)))


@pytest.mark.parametrize("count", [1, 3])
def test_prompt_embeddings(pair: Pair, count: int) -> None:
    with torch.inference_mode():
        expected, _ = pair.reference.encode_prompt(
            PROMPTS[:count], max_sequence_length=TEXT_LENGTH, text_encoder_out_layers=OUT_LAYERS
        )
        found = encode_prompts(pair.ours.components, PROMPTS[:count])
    assert found.embeds.shape == expected.shape
    torch.testing.assert_close(found.embeds, expected, rtol=0, atol=TOLERANCE)
    assert found.warnings == [()] * count


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (80, 48)])
def test_latents_and_pixels(pair: Pair, count: int, width: int, height: int) -> None:
    with torch.inference_mode():
        expected_maps = pair.reference_run(count, width, height, "latent")
        expected_pixels = pair.reference_run(count, width, height, "np")
        maps, pixels = run_by_hand(pair.ours, count, width, height)
    torch.testing.assert_close(maps, expected_maps, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(pixels, expected_pixels, rtol=0, atol=TOLERANCE)
    assert expected_pixels.std() > 0.05, "a flat picture would prove nothing"

    pictures = pair.ours.generate(PROMPTS[:count], SEEDS[:count], width, height, STEPS).pictures
    levels = np.round(expected_pixels * 255).astype(int)
    assert all(np.abs(g.picture - level).max() <= 1 for g, level in zip(pictures, levels, strict=True))


def run_by_hand(ours: TextToImage, count: int, width: int, height: int) -> tuple[torch.Tensor, Any]:
    """What `generate` does, with the latents in floating point on the way."""
    parts = ours.components
    rows, columns = height // parts.card.multiple, width // parts.card.multiple
    text = parts.transformer.embed_text(encode_prompts(parts, PROMPTS[:count]).embeds)
    start = noise(SEEDS[:count], parts.transformer.config.in_channels, rows, columns)
    latents = denoise(parts.transformer, start, text, ours.plan(rows, columns, STEPS))
    statistics = parts.autoencoder.bn
    maps = to_maps(latents, rows, columns, statistics.mean, statistics.std)
    return maps, decode(parts.autoencoder, latents, rows, columns).numpy()


def test_guidance_of_a_model_that_is_not_distilled(pair: Pair) -> None:
    pair.reference.register_to_config(is_distilled=False)
    try:
        expected = pair.reference_run(2, 64, 64, "np", guidance_scale=3.0)
    finally:
        pair.reference.register_to_config(is_distilled=True)
    parts = pair.ours.components
    guided = TextToImage(replace(parts, card=replace(parts.card, guidance=3.0)))
    pictures = guided.generate(PROMPTS[:2], SEEDS[:2], 64, 64, STEPS).pictures
    levels = np.round(expected * 255).astype(int)
    assert all(np.abs(g.picture - level).max() <= 1 for g, level in zip(pictures, levels, strict=True))
    plain = pair.ours.generate(PROMPTS[:1], SEEDS[:1], 64, 64, STEPS).pictures[0].picture
    assert np.abs(plain - levels[0]).max() > 10


def test_the_prompt_matters(pair: Pair) -> None:
    one, other = (
        pair.ours.generate([prompt], [1], 64, 64, STEPS).pictures[0].picture.astype(int)
        for prompt in ("red shoe", "blue bag")
    )
    assert np.abs(one - other).max() > 10
