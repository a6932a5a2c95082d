from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_postprocess import PictureInvalid, Recipe
from imagegen_postprocess.canvas.place import place
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.report import StepNote
from imagegen_postprocess.subject import Subject


def rectangle(
    left: int, top: int, right: int, bottom: int, size: tuple[int, int] = (80, 60), alpha: float = 1.0
) -> Subject:
    coverage = np.zeros((size[1], size[0]), np.float32)
    coverage[top:bottom, left:right] = alpha
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[coverage > 0] = (200, 40, 60)
    return Subject(pixels, coverage)


def box_of(note: StepNote) -> list[int]:
    box = note.detail["product_box"]
    assert isinstance(box, list)
    return [int(side) for side in box]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_drawn_box_comes_out_whole_at_its_fill(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(16, 90)), data.draw(st.integers(16, 90))
    left, top = data.draw(st.integers(0, width - 6)), data.draw(st.integers(0, height - 6))
    right, bottom = data.draw(st.integers(left + 5, width)), data.draw(st.integers(top + 5, height))
    frame = data.draw(st.integers(64, 160)), data.draw(st.integers(64, 160))
    fill = data.draw(st.floats(0.3, 1))
    picture, note = place(
        rectangle(left, top, right, bottom, (width, height)),
        Recipe(background="transparent", fill=fill, width=frame[0], height=frame[1]),
    )
    alpha = np.asarray(picture)[..., 3]
    rows, columns = np.flatnonzero((alpha > 127).any(axis=1)), np.flatnonzero((alpha > 127).any(axis=0))
    measured = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
    assert np.abs(np.array(measured) - box_of(note)).max() <= 1
    reached = max(
        (measured[2] - measured[0]) - fill * frame[0], (measured[3] - measured[1]) - fill * frame[1]
    )
    # Resampling leaves an enlarged edge somewhere within a fraction of a source pixel.
    enlarged = max((measured[2] - measured[0]) / (right - left), (measured[3] - measured[1]) / (bottom - top))
    assert abs(reached) <= max(2, enlarged / 5)
    assert picture.size == frame


@pytest.mark.parametrize("background", ["white", "#f0e4d2"])
def test_outside_the_product_the_background_is_exact(background: str) -> None:
    recipe = Recipe(background=background, width=128, height=128, fill=0.5)
    picture, note = place(rectangle(20, 10, 60, 50), recipe)
    left, top, right, bottom = box_of(note)
    pixels = np.asarray(picture)
    outside = np.ones(pixels.shape[:2], bool)
    outside[top - 3 : bottom + 3, left - 3 : right + 3] = False
    assert (pixels[outside] == recipe.background_rgb).all()
    assert picture.mode == "RGB"
    assert (pixels[64, 64] == (200, 40, 60)).all()


def test_a_transparent_background_has_no_colour_left() -> None:
    picture, _ = place(rectangle(20, 10, 60, 50), Recipe(background="transparent", width=100, height=100))
    pixels = np.asarray(picture)
    assert picture.mode == "RGBA"
    assert (pixels[pixels[..., 3] == 0] == 0).all()
    assert (pixels[50, 50] == (200, 40, 60, 255)).all()
    # Straight alpha: the colour of a half covered pixel is the product's own.
    soft = pixels[(pixels[..., 3] > 20) & (pixels[..., 3] < 235)]
    assert np.abs(soft[:, :3].astype(int) - (200, 40, 60)).max() <= 4


def test_half_coverage_is_half_the_light() -> None:
    subject = rectangle(0, 0, 64, 64, (64, 64), alpha=0.5)
    picture, _ = place(subject, Recipe(background="white", fill=1, width=64, height=64))
    expected = to_pixels(np.array(to_light(np.array([200, 40, 60], np.uint8)) / 2 + 0.5, np.float32))
    assert np.abs(np.asarray(picture)[32, 32].astype(int) - expected).max() <= 1


def test_without_a_cut_out_the_whole_picture_is_fitted() -> None:
    subject = Subject(np.full((30, 60, 3), 90, np.uint8))
    picture, note = place(subject, Recipe(cutout="none", fill=0.5))
    pixels = np.asarray(picture)
    assert picture.size == (60, 60)
    assert (pixels[15:45] == 90).all()
    assert (pixels[:15] == 255).all()
    assert "fill is not applied" in note.note
    transparent, note = place(subject, Recipe(cutout="none", background="transparent"))
    assert transparent.getchannel("A").getextrema() == (0, 255)
    assert "no pixel of the picture became transparent" in note.note


def test_upscaling_is_reported_with_its_factor() -> None:
    _, note = place(rectangle(10, 10, 30, 30), Recipe(width=100, height=100, fill=0.8))
    assert note.detail["scale"] == 4.0
    assert "upscaled 4.00 times" in note.note
    _, note = place(rectangle(0, 0, 60, 60, (60, 60)), Recipe(width=62, height=62, fill=1.0))
    assert "upscaled" not in note.note
    _, note = place(rectangle(0, 0, 60, 60, (60, 60)), Recipe(width=40, height=40))
    assert "upscaled" not in note.note


def test_enlarging_does_not_ring() -> None:
    picture, _ = place(rectangle(10, 10, 30, 30), Recipe(background="#808080", width=300, height=300))
    pixels = np.asarray(picture).astype(int)
    low, high = np.minimum((200, 40, 60), 128), np.maximum((200, 40, 60), 128)
    assert (pixels >= low - 1).all()
    assert (pixels <= high + 1).all()


def test_a_faint_product_is_placed_by_its_own_measure() -> None:
    _, note = place(rectangle(10, 10, 30, 30, alpha=0.2), Recipe(width=100, height=100, fill=0.8))
    assert box_of(note) == [10, 10, 90, 90]


def test_nothing_to_place_is_refused() -> None:
    with pytest.raises(PictureInvalid, match="transparent throughout") as refusal:
        place(rectangle(0, 0, 0, 0), Recipe())
    assert refusal.value.field == "picture"


def test_what_is_faint_never_reaches_the_ring_and_the_product_does() -> None:
    alpha = np.zeros((100, 100), np.float32)
    alpha[30:70, 30:70] = 1
    alpha[70:80, 30:70] = 0.3  # what a shadow left
    subject = Subject(np.full((100, 100, 3), 60, np.uint8), alpha)
    picture, note = place(subject, Recipe(width=400, height=400, fill=0.96))
    pixels = np.asarray(picture)
    assert (pixels[-4:] == 255).all()
    assert (pixels[385:390, 200] < 255).all()
    assert note.detail["product_box"] == [8, 8, 392, 392]
    full, _ = place(subject, Recipe(width=400, height=400, fill=1.0))
    assert (np.asarray(full)[12, 50:350] == 60).all()
