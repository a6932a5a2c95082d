"""What a request refuses, field by field."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagegen.errors import InvalidRequest
from imagegen.photo import Photo
from imagegen.request import MAX_SEED, MAX_SIDE, MIN_SIDE, ImageRequest, parse_size
from imagegen_postprocess import Recipe

PHOTO, OTHER = (Photo.of(b"a photo", "image"), Photo.of(b"another", "references[0]"))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n\t "}, "prompt"),
        ({"prompt": "x" * 40_000}, "prompt"),
        ({"prompt": "bag \ud800"}, "prompt"),
        ({"model": " "}, "model"),
        ({"width": 256}, "size"),
        ({"width": 0, "height": 0}, "size"),
        ({"width": 17, "height": 16}, "size"),
        ({"width": 1_000_000, "height": 16}, "size"),
        ({"width": 256.0, "height": 256}, "size"),
        ({"strength": 0.5}, "strength"),
        ({"image": PHOTO, "strength": 1.5}, "strength"),
        ({"image": PHOTO, "strength": True}, "strength"),
        ({"image": PHOTO, "strength": float("nan")}, "strength"),
        ({"image": PHOTO, "fit": "squeeze"}, "fit"),
        ({"steps": 0}, "steps"),
        ({"steps": 101}, "steps"),
        ({"steps": True}, "steps"),
        ({"seed": -1}, "seed"),
        ({"seed": MAX_SEED + 1}, "seed"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ImageRequest(**{"prompt": "red handbag", **fields})  # type: ignore[arg-type]
    assert refused.value.field == field
    assert refused.value.exit_code == 2
    assert refused.value.http_status == 400


@given(st.integers(MIN_SIDE, MAX_SIDE), st.integers(MIN_SIDE, MAX_SIDE))
def test_a_size_reads_back_what_was_written(width: int, height: int) -> None:
    assert parse_size(f"{width}x{height}") == (width, height)
    assert parse_size(f" {width} X {height} ") == (width, height)


@given(st.text(max_size=12).filter(lambda text: not any(c.isdecimal() for c in text)))
def test_any_other_text_is_no_size(text: str) -> None:
    assume(text.strip().lower() != "auto")
    with pytest.raises(InvalidRequest) as refused:
        parse_size(text)
    assert refused.value.field == "size"


def test_auto_leaves_the_size_to_the_model() -> None:
    assert parse_size("auto") is None


def test_variants_count_up_from_the_seed_and_wrap() -> None:
    assert [r.seed for r in ImageRequest("cap", seed=MAX_SEED).variants(3)] == [MAX_SEED, 0, 1]
    first, second = ImageRequest("cap").variants(2)
    assert first.seed is not None
    assert second.seed == (first.seed + 1) % (MAX_SEED + 1)


@pytest.mark.parametrize("n", [0, -1, 101])
def test_a_wrong_number_of_variants_is_refused(n: int) -> None:
    with pytest.raises(InvalidRequest, match="n: must be 1 to 100"):
        ImageRequest("cap").variants(n)


def test_a_seed_is_drawn_once_and_kept() -> None:
    drawn = ImageRequest("cap").seeded()
    assert drawn.seed is not None
    assert drawn.seeded() == drawn
    assert ImageRequest("cap", seed=7).seeded().seed == 7


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest("tênis azul"),
        ImageRequest("bag", model="other", width=128, height=96, steps=2, seed=7, recipe=None),
        ImageRequest("bag", recipe=Recipe(background="#ff0000", fill=0.5)),
        ImageRequest("bag", image=PHOTO, strength=0.25, fit="crop"),
        ImageRequest("bag", image=PHOTO, references=(OTHER, PHOTO)),
    ],
)
def test_a_request_comes_back_from_its_record(request_: ImageRequest) -> None:
    record = json.dumps(request_.to_dict())
    again = ImageRequest.from_dict(json.loads(record))
    assert again == request_
    assert all(photo.data is None for photo in again.photos), "a record holds no files"
    assert again.with_photos({photo: photo for photo in request_.photos}.__getitem__) == request_


def test_a_record_without_photos_does_not_speak_of_them() -> None:
    assert set(ImageRequest("bag").to_dict()) == {
        "prompt", "model", "width", "height", "steps", "seed", "recipe",
    }  # fmt: skip


def test_a_record_that_was_changed_is_checked_again() -> None:
    with pytest.raises(InvalidRequest):
        ImageRequest.from_dict({**ImageRequest("bag").to_dict(), "steps": 0})


def test_variants_share_their_photos() -> None:
    one, other = ImageRequest("bag", image=PHOTO, seed=1).variants(2)
    assert one.image is other.image is PHOTO
