"""With the same weights, ours equals diffusers' Flux2KleinPipeline: embeddings, latents and pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image

from imagegen.engine.inputs import fit_reference, fit_start
from imagegen.pipeline.decode import decode
from imagegen.pipeline.denoise import denoise
from imagegen.pipeline.encode import encode
from imagegen.pipeline.latents import noise, noised, to_maps
from imagegen.pipeline.prompt import encode_prompts
from imagegen.pipeline.text_to_image import TextToImage
from imagegen.weights.catalog import read_card
from imagegen.weights.load import load_components, load_encoder
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


def photo(seed: int, width: int, height: int) -> np.ndarray:
    """Noise over a gradient, so that neither a shift nor a swap of sides goes unseen."""
    noisy = np.random.default_rng(seed).integers(0, 128, (height, width, 3))
    slope = np.linspace(0, 127, width)[None, :, None] * np.linspace(0.2, 1, height)[:, None, None]
    return (noisy + slope).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("sizes", [[(70, 93)], [(64, 64), (101, 66), (80, 72)]], ids=["one", "three"])
def test_photos_to_look_at(pair: Pair, count: int, sizes: list[tuple[int, int]]) -> None:
    photos = [photo(i, *size) for i, size in enumerate(sizes)]
    images = [Image.fromarray(each) for each in photos]
    with torch.inference_mode():
        expected_maps = pair.reference_run(count, 64, 48, "latent", image=images)
        expected_pixels = pair.reference_run(count, 64, 48, "np", image=images)
        blind = pair.reference_run(count, 64, 48, "np")
        seen = [fit_reference(each, pair.ours.components.card.multiple) for each in photos]
        maps, pixels = run_by_hand(pair.ours, count, 64, 48, seen)
    torch.testing.assert_close(maps, expected_maps, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(pixels, expected_pixels, rtol=0, atol=TOLERANCE)
    assert np.abs(expected_pixels - blind).max() > 0.05, "photos that change nothing would prove nothing"

    made = pair.ours.generate(PROMPTS[:count], SEEDS[:count], 64, 48, STEPS, references=[seen] * count)
    levels = np.round(expected_pixels * 255).astype(int)
    assert all(np.abs(g.picture - level).max() <= 1 for g, level in zip(made.pictures, levels, strict=True))


def test_a_photo_above_a_megapixel_is_scaled_as_the_reference_does(pair: Pair) -> None:
    large = Image.fromarray(photo(3, 1400, 1030))
    processor = pair.reference.image_processor
    area = processor._resize_to_target_area(large, 1024 * 1024)
    multiple = pair.ours.components.card.multiple
    width, height = (side // multiple * multiple for side in area.size)
    expected = processor.preprocess(area, height=height, width=width, resize_mode="crop")
    found = fit_reference(np.asarray(large), multiple)
    assert np.array_equal(
        found, np.round((expected[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)
    )


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_a_photo_to_start_from(pair: Pair, strength: float) -> None:
    """diffusers has no such pipeline for [klein], but takes noise levels and latents: its own encoder's,
    noised by its own scheduler."""
    start = fit_start(photo(5, 90, 60), 64, 48, "stretch")
    reference, scheduler = pair.reference, pair.reference.scheduler
    sigmas = np.linspace(strength, strength / STEPS, STEPS)
    with torch.inference_mode():
        image = reference.image_processor.preprocess(Image.fromarray(start), height=48, width=64)
        clean = reference._encode_vae_image(image, generator=None)
        drawn = noise(SEEDS[:1], clean.shape[1], 6, 8).transpose(1, 2).reshape(clean.shape)
        mu = compute_empirical_mu(48, STEPS)
        scheduler.set_timesteps(sigmas=sigmas, mu=mu)
        begun = scheduler.scale_noise(clean, scheduler.timesteps[:1], drawn)
        expected = pair.reference_run(1, 64, 48, "np", sigmas=sigmas, latents=begun)
        plain = pair.ours.generate(PROMPTS[:1], SEEDS[:1], 64, 48, STEPS).pictures[0].picture
        _, pixels = run_by_hand(pair.ours, 1, 64, 48, start=start, strength=strength)
        made = (
            pair.ours.generate(PROMPTS[:1], SEEDS[:1], 64, 48, STEPS, starts=[start], strength=strength)
            .pictures[0]
            .picture
        )
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=TOLERANCE)
    assert np.abs(made - np.round(expected[0] * 255).astype(int)).max() <= 1
    assert np.array_equal(made, plain) == (strength == 1), "all noise: nothing of the photo is left"


def test_guidance_sees_the_photos_too(pair: Pair) -> None:
    images = [Image.fromarray(photo(1, 64, 64))]
    pair.reference.register_to_config(is_distilled=False)
    try:
        expected = pair.reference_run(1, 64, 64, "np", guidance_scale=3.0, image=images)
    finally:
        pair.reference.register_to_config(is_distilled=True)
    parts = pair.ours.components
    guided = TextToImage(replace(parts, card=replace(parts.card, guidance=3.0)))
    made = guided.generate(PROMPTS[:1], SEEDS[:1], 64, 64, STEPS, references=[[photo(1, 64, 64)]])
    assert np.abs(made.pictures[0].picture - np.round(expected[0] * 255).astype(int)).max() <= 1


def run_by_hand(
    ours: TextToImage,
    count: int,
    width: int,
    height: int,
    references: list[np.ndarray] | None = None,
    start: np.ndarray | None = None,
    strength: float = 1.0,
) -> tuple[torch.Tensor, Any]:
    """What `generate` does, with the latents in floating point on the way."""
    parts = ours.components
    rows, columns = height // parts.card.multiple, width // parts.card.multiple
    text = parts.transformer.embed_text(encode_prompts(parts, PROMPTS[:count]).embeds)
    latents = noise(SEEDS[:count], parts.transformer.config.in_channels, rows, columns)
    encoder = load_encoder(parts)
    grids = [(r.shape[0] // parts.card.multiple, r.shape[1] // parts.card.multiple) for r in references or []]
    plan = ours.plan(rows, columns, STEPS, strength, grids)
    if start is not None:
        latents = noised(encode(encoder, start), latents, plan.sigmas[0])
    seen = None
    if references:
        seen = torch.cat([encode(encoder, each) for each in references], dim=1).expand(count, -1, -1)
    latents = denoise(parts.transformer, latents, text, plan, references=seen)
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
