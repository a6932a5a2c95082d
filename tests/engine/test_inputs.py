"""Photos as the model takes them: sizes, shapes, and models that take none."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as fuzz
from hypothesis import strategies as st
from PIL import Image

from imagegen.engine.inputs import REFERENCE_PIXELS, Inputs, fit_reference, fit_start, read_inputs
from imagegen.engine.plan import plan
from imagegen.errors import InputFileInvalid, InvalidRequest
from imagegen.photo import Photo
from imagegen.request import FITS, Fit, ImageRequest
from imagegen.weights.catalog import ModelCard, find_model


@pytest.fixture(scope="module")
def starter() -> ModelCard:
    return find_model("starter", None)


def able(card: ModelCard) -> ModelCard:
    return replace(
        card, name="able", path=Path("free"), sizes=None, multiple=16, width=512, height=512, references=2
    )


def photo(width: int = 96, height: int = 64, name: str = "image") -> Photo:
    stream = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(stream, "PNG")
    return Photo.of(stream.getvalue(), name)


@fuzz(max_examples=20)
@given(st.integers(64, 2000), st.integers(64, 2000), st.sampled_from([8, 16, 32]))
def test_references_fit_the_grid_and_a_megapixel(width: int, height: int, multiple: int) -> None:
    found = fit_reference(np.zeros((height, width, 3), np.uint8), multiple)
    assert found.shape[0] % multiple == found.shape[1] % multiple == 0
    assert 0 < found.shape[0] * found.shape[1] <= REFERENCE_PIXELS
    if width * height <= REFERENCE_PIXELS:
        assert (height - found.shape[0], width - found.shape[1]) < (multiple, multiple)


def test_a_reference_is_cut_from_the_middle() -> None:
    pixels = np.zeros((64, 70, 3), np.uint8)
    pixels[:, 3:67] = 200
    assert np.all(fit_reference(pixels, 16) == 200)


@fuzz(max_examples=40)
@given(st.integers(16, 300), st.integers(16, 300), st.sampled_from(FITS))
def test_a_photo_to_start_from_gets_the_models_size(width: int, height: int, fit: Fit) -> None:
    assert fit_start(np.zeros((height, width, 3), np.uint8), 64, 96, fit).shape == (96, 64, 3)


def test_padding_keeps_the_whole_photo_and_goes_on_with_its_border() -> None:
    pixels = np.full((64, 128, 3), 90, np.uint8)
    pixels[0], pixels[-1] = 10, 250
    found = fit_start(pixels, 128, 128, "pad")
    assert np.array_equal(found[32:96], pixels)
    assert np.all(found[:32] == 10)
    assert np.all(found[96:] == 250)


def test_cropping_keeps_the_middle_and_stretching_everything() -> None:
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 32:96] = 200
    assert fit_start(pixels, 64, 64, "crop").min() == 200
    stretched = fit_start(pixels, 64, 64, "stretch")
    assert stretched[:, :10].max() == 0
    assert stretched[:, 28:36].min() == 200


def test_a_model_that_was_never_taught_to_look_says_which_were(
    starter: ModelCard, tiny_checkpoint: Path
) -> None:
    request = ImageRequest("bag", references=(photo(),))
    with pytest.raises(InvalidRequest, match="never taught") as refusal:
        read_inputs(request, starter)
    assert refusal.value.field == "model"
    assert "no installed model can" in (refusal.value.hint or "")
    with pytest.raises(InvalidRequest, match="tiny") as refusal:
        read_inputs(request, starter, tiny_checkpoint.parent)


def test_too_many_photos_are_refused_before_any_is_read(starter: ModelCard) -> None:
    many = tuple(Photo.of(bytes([i]), f"references[{i}]") for i in range(3))
    with pytest.raises(InvalidRequest, match="3 photos are more than the 2") as refusal:
        read_inputs(ImageRequest("bag", references=many), able(starter))
    assert refusal.value.field == "references"
    with pytest.raises(InputFileInvalid, match=r"references\[0\]"):
        read_inputs(ImageRequest("bag", references=many[:2]), able(starter))


def planned(card: ModelCard, **fields: object) -> tuple[tuple[int, int], tuple[object, ...]]:
    request = ImageRequest("bag", **fields)  # type: ignore[arg-type]
    made = plan(request, card, read_inputs(request, card))
    return (made.width, made.height), made.batch_key


def test_without_a_size_the_picture_takes_after_the_photo(starter: ModelCard) -> None:
    card = able(starter)
    assert planned(card)[0] == (512, 512)
    assert planned(card, image=photo(96, 64))[0] == (624, 416)
    assert planned(card, references=(photo(64, 128),))[0] == (368, 720)
    assert planned(card, image=photo(96, 64), width=256, height=256)[0] == (256, 256)
    assert planned(starter, image=photo(96, 64))[0] == (256, 256)
    tiny = replace(card, width=64, height=64)
    assert planned(tiny, image=photo(256, 64))[0] == (256, 64)  # no side is smaller than a request's may be


def test_only_like_requests_are_denoised_together(starter: ModelCard) -> None:
    card, size = able(starter), {"width": 256, "height": 256}
    one, two = photo(), photo()
    keys = [
        planned(card, **size)[1],
        planned(card, **size, image=one)[1],
        planned(card, **size, image=one, strength=0.3)[1],
        planned(card, **size, references=(one,))[1],
        planned(card, **size, references=(one, two))[1],
        planned(card, **size, references=(photo(64, 64),))[1],
    ]
    assert len(set(keys)) == len(keys)
    assert planned(card, **size, references=(two,))[1] == keys[3]
    assert planned(card, **size, image=two, strength=0.6)[1] == keys[1]


def test_the_plan_fills_in_the_strength_lets_go_of_the_file_and_says_what_became_of_the_shape(
    starter: ModelCard,
) -> None:
    request = ImageRequest("bag", image=photo(96, 64))
    made = plan(request, starter, read_inputs(request, starter))
    assert made.request.strength == 0.6
    assert made.request.image is not None
    assert made.request.image.data is None
    assert made.inputs.image is not None
    assert made.inputs.image.shape == (256, 256, 3)
    assert "padded" in made.warnings[0]
    assert plan(request, starter, Inputs(np.zeros((70, 70, 3), np.uint8))).warnings == ()


def test_memory_counts_the_photos_that_are_looked_at(tiny_checkpoint: Path) -> None:
    from imagegen.weights.catalog import read_card
    from imagegen.weights.memory import memory_needs

    card = read_card(tiny_checkpoint)
    needs = memory_needs(card)

    def cost(*references: Photo) -> int:
        request = ImageRequest("bag", width=64, height=64, references=references)
        planned = plan(request, card, read_inputs(request, card))
        return needs.picture(planned.width, planned.height, planned.reference_tokens)

    each = (96 // card.multiple) * (64 // card.multiple)
    own = (64 // card.multiple) ** 2 + card.text_length
    assert cost(photo()) == cost() * (own + each) // own
    assert cost(photo(), photo()) == cost() * (own + 2 * each) // own
