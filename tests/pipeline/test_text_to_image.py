"""The whole way from prompt to pixels, on a packed and on a dense miniature. That it equals diffusers:
tests/test_parity.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from imagegen.errors import CheckpointInvalid, GenerationFailed, InvalidRequest
from imagegen.pipeline.text_to_image import PLANS_KEPT, TextToImage
from imagegen.weights.catalog import read_card
from imagegen.weights.load import load_components

PROMPTS = ["red shoe", "a", "blue handbag on white, with a zip"]
SEEDS = [11, 12, 13]


def load(folder: Path) -> TextToImage:
    return TextToImage(load_components(read_card(folder), "cpu"))


@pytest.fixture(scope="module")
def packed(packed_checkpoint: Path) -> TextToImage:
    return load(packed_checkpoint)


@pytest.fixture(scope="module")
def dense(tiny_checkpoint: Path) -> TextToImage:
    return load(tiny_checkpoint)


@pytest.mark.parametrize("model", ["packed", "dense"])
def test_same_seed_same_picture_whatever_the_batch(model: str, request: pytest.FixtureRequest) -> None:
    pipeline: TextToImage = request.getfixturevalue(model)
    alone = [
        pipeline.generate([prompt], [seed], 64, 64, 4).pictures[0].picture
        for prompt, seed in zip(PROMPTS, SEEDS, strict=True)
    ]
    for order in ([0, 1, 2], [2, 0, 1]):
        batch = pipeline.generate([PROMPTS[i] for i in order], [SEEDS[i] for i in order], 64, 64, 4)
        for position, i in enumerate(order):
            assert np.array_equal(batch.pictures[position].picture, alone[i])
    assert not np.array_equal(alone[0], alone[1])


def test_a_picture_is_its_prompt_and_its_seed(packed: TextToImage) -> None:
    one, again, other_seed, other_prompt = (
        packed.generate([prompt], [seed], 64, 64, 4).pictures[0].picture
        for prompt, seed in (("bag", 1), ("bag", 1), ("bag", 2), ("hat", 1))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other_seed)
    assert not np.array_equal(one, other_prompt)


def test_gives_pixels_warnings_and_timings(packed: TextToImage) -> None:
    seen: list[tuple[int, int]] = []
    made = packed.generate(
        ["x", "y" * 100], [1, 2], 80, 48, 3, on_step=lambda done, total: seen.append((done, total))
    )
    assert [g.picture.shape for g in made.pictures] == [(48, 80, 3)] * 2
    assert made.pictures[0].picture.dtype == np.uint8
    assert made.pictures[0].warnings == ()
    assert "too long" in made.pictures[1].warnings[0]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert set(made.timings) == {"prompt", "denoise", "decode"}


def test_packed_differs_from_its_own_weights_only_by_rounded_activations(
    packed: TextToImage, packed_checkpoint: Path
) -> None:
    """Int8 activations are off by about 1 % a product; on these random weights that stays below 5 % of the
    picture's contrast."""
    exact = load(packed_checkpoint.with_name("tiny-dequantized"))
    a, b = (p.generate(PROMPTS, SEEDS, 64, 64, 4).pictures for p in (packed, exact))
    for one, other in zip(a, b, strict=True):
        x, y = one.picture.astype(float), other.picture.astype(float)
        assert 0 < np.sqrt(np.mean((x - y) ** 2)) < 0.05 * y.std()


def test_refuses_a_size_that_the_model_does_not_make(packed: TextToImage) -> None:
    with pytest.raises(InvalidRequest, match="60x64") as error:
        packed.generate(["x"], [1], 60, 64, 4)
    assert error.value.field == "size"


def test_numbers_that_overflow_are_an_error_and_no_picture(tiny_checkpoint: Path) -> None:
    pipeline = load(tiny_checkpoint)
    weight = pipeline.components.transformer.proj_out.weight
    pipeline.components.transformer.proj_out.weight = torch.nn.Parameter(
        weight * torch.inf, requires_grad=False
    )
    with pytest.raises(GenerationFailed, match="not finite"):
        pipeline.generate(["x"], [1], 64, 64, 1)


def test_keeps_what_a_size_shares_but_not_for_ever(packed: TextToImage) -> None:
    packed.generate(["x"], [1], 64, 64, 1)
    with torch.inference_mode():
        assert packed.plan(8, 8, 1) is packed.plan(8, 8, 1)
        first = packed.plan(1, 1, 1)
        for columns in range(2, PLANS_KEPT + 2):
            packed.plan(1, columns, 1)
        assert packed.plan(1, 1, 1) is not first


def test_an_unsupported_schedule_is_refused_with_its_file(tiny_checkpoint: Path) -> None:
    from dataclasses import replace

    components = load_components(read_card(tiny_checkpoint), "cpu")
    wrong = replace(components, scheduler=components.scheduler | {"use_beta_sigmas": True})
    with pytest.raises(CheckpointInvalid, match="use_beta_sigmas") as error:
        TextToImage(wrong)
    assert str(error.value.field).endswith("scheduler_config.json")


def test_running_needs_neither_diffusers_nor_transformers(packed_checkpoint: Path) -> None:
    script = (
        "import sys\n"
        "from imagegen.weights.catalog import find_model\n"
        "card = find_model(sys.argv[1])\n"
        "assert 'torch' not in sys.modules\n"
        "from imagegen.pipeline.text_to_image import TextToImage\n"
        "from imagegen.weights.load import load_components\n"
        "TextToImage(load_components(card, 'cpu')).generate(['x'], [1], 64, 64, 1)\n"
        "heavy = {'diffusers', 'transformers', 'jinja2', 'triton', 'sympy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(packed_checkpoint)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p), "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_preview_costs_the_picture_nothing_and_comes_closer_with_each_step(packed: TextToImage) -> None:
    seen: dict[tuple[int, int], np.ndarray] = {}
    batch = packed.generate(
        PROMPTS[:2],
        SEEDS[:2],
        64,
        48,
        4,
        previews={1: (1, 3)},
        on_preview=lambda place, done, picture: seen.update({(place, done): picture}),
    )
    assert list(seen) == [(1, 1), (1, 3)]
    alone = packed.generate(PROMPTS[1:2], SEEDS[1:2], 64, 48, 4).pictures[0].picture
    final = batch.pictures[1].picture
    assert np.array_equal(final, alone)
    early, late = (np.abs(seen[1, done].astype(float) - final).mean() for done in (1, 3))
    assert seen[1, 1].shape == final.shape == (48, 64, 3)
    assert late < early


def test_a_straight_flows_first_preview_is_its_picture(packed: TextToImage) -> None:
    """With one step the clean estimate is where the step ends."""
    seen: list[np.ndarray] = []
    batch = packed.generate(
        ["bag"], [3], 64, 64, 1, previews={0: (1,)}, on_preview=lambda *found: seen.append(found[2])
    )
    assert np.array_equal(seen[0], batch.pictures[0].picture)


def photos(*seeds: int, height: int = 64, width: int = 64) -> list[np.ndarray]:
    return [np.random.default_rng(s).integers(0, 256, (height, width, 3), dtype=np.uint8) for s in seeds]


@pytest.mark.parametrize("model", ["packed", "dense"])
def test_same_photo_same_picture_whatever_the_batch(model: str, request: pytest.FixtureRequest) -> None:
    pipeline: TextToImage = request.getfixturevalue(model)
    begin, look = photos(1, 2, 3), [photos(4, 5), photos(6, 7), photos(8, 9)]

    def made(order: list[int]) -> list[np.ndarray]:
        batch = pipeline.generate(
            [PROMPTS[i] for i in order],
            [SEEDS[i] for i in order],
            64,
            64,
            4,
            starts=[begin[i] for i in order],
            strength=0.5,
            references=[look[i] for i in order],
        )
        return [one.picture for one in batch.pictures]

    alone = [made([i])[0] for i in range(3)]
    for place, i in enumerate((2, 0, 1)):
        assert np.array_equal(made([2, 0, 1])[place], alone[i])
    assert not np.array_equal(alone[0], alone[1])


def test_each_photo_counts_and_so_does_its_place(packed: TextToImage) -> None:
    one, two = photos(4, 5)
    found = [
        packed.generate(["bag"], [1], 64, 64, 2, references=[list(seen)]).pictures[0].picture
        for seen in ((one,), (two,), (one, two), (two, one))
    ]
    assert len({picture.tobytes() for picture in found}) == 4


def test_more_of_the_photo_is_left_the_less_may_change(dense: TextToImage) -> None:
    (start,) = photos(1)
    same = dense.generate(["x"], [1], 64, 64, 2, starts=[start], strength=0.0).pictures[0].picture
    away = [
        np.abs(
            dense.generate(["x"], [1], 64, 64, 2, starts=[start], strength=strength)
            .pictures[0]
            .picture.astype(float)
            - same
        ).mean()
        for strength in (0.1, 0.3, 1.0)
    ]
    assert 0 < away[0] < away[1] < away[2]


def test_the_encoder_waits_for_the_first_photo(tiny_checkpoint: Path) -> None:
    pipeline = load(tiny_checkpoint)
    timings = pipeline.generate(["x"], [1], 64, 64, 1).timings
    assert pipeline._encoder is None
    assert "encode" not in timings
    assert "encode" in pipeline.generate(["x"], [1], 64, 64, 1, references=[photos(1)]).timings
    assert pipeline._encoder is not None
