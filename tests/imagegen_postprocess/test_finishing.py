from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess import Finished, PictureInvalid, Recipe, encode, finish, open_picture
from imagegen_postprocess.colour.linear import to_lab
from tests.imagegen_postprocess.drawn import bag, photograph, shoe, watch

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDENS = REPOSITORY / "tests" / "goldens" / "finishing"
PHOTOS = sorted((REPOSITORY / "samples" / "photos").glob("*.*"))
STEPS = ("intake", "cutout", "white_balance", "exposure", "canvas")

# Small finished pictures that were looked at before they were kept. `python -m
# tests.imagegen_postprocess.test_finishing` draws them anew after a change that is meant to show.
CASES: dict[str, tuple[Callable[[], Image.Image], Recipe]] = {
    "bag-on-warm-grey": (
        lambda: photograph(
            bag(192), (226, 224, 218), noise=1, slope=0.1, shadow=0.4, light=(0.9, 0.83, 0.7), seed=1
        ),
        Recipe(width=160, height=160),
    ),
    "bag-transparent": (
        lambda: photograph(bag(192, (40, 60, 130)), (214, 214, 210), noise=1, seed=2),
        Recipe(background="transparent", fill=0.95, width=160, height=120),
    ),
    "watch-on-blue": (
        lambda: photograph(watch(192), (120, 160, 210), noise=1, shadow=0.3, seed=3),
        Recipe(background="#f2e8d8", width=120, height=160),
    ),
    "white-shoe-on-white": (
        lambda: photograph(shoe(192), (250, 250, 250), noise=1, seed=4),
        Recipe("plain", width=160, height=160),
    ),
}


def finished(name: str) -> Finished:
    draw, recipe = CASES[name]
    return finish(draw(), recipe)


@pytest.mark.parametrize("name", CASES)
def test_finished_pictures_look_as_they_were_approved(name: str) -> None:
    mine = finished(name).picture
    with Image.open(GOLDENS / f"{name}.png") as golden:
        golden.load()
    assert mine.mode == golden.mode
    assert mine.size == golden.size
    for behind in ((255, 255, 255), (0, 90, 200)):
        one, other = (to_lab(np.asarray(_over(picture, behind))) for picture in (mine, golden))
        difference = np.linalg.norm(one - other, axis=2)
        # One Delta E is just noticeable; single pixels of an edge may move with another OpenCV.
        assert difference.mean() < 0.4
        assert np.percentile(difference, 99) < 5


def box_of(result: Finished) -> tuple[int, ...]:
    box = result.report["canvas"].detail["product_box"]
    assert isinstance(box, list)
    return tuple(int(side) for side in box)


def _over(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture).convert("RGB")


@pytest.mark.parametrize("name", ["bag-on-warm-grey", "white-shoe-on-white"])
def test_a_white_background_is_255_to_the_last_pixel(name: str) -> None:
    result = finished(name)
    left, top, right, bottom = box_of(result)
    pixels = np.asarray(result.picture)
    frame = np.ones(pixels.shape[:2], bool)
    frame[top - 12 : bottom + 12, left - 12 : right + 12] = False  # a shadow may reach a little further
    assert frame.sum() > 1000
    assert (pixels[frame] == 255).all()
    with Image.open(io.BytesIO(encode(result.picture, "png"))) as stored:
        assert (np.asarray(stored)[frame] == 255).all()


def test_the_report_tells_what_each_step_did() -> None:
    report = finished("bag-on-warm-grey").report
    assert tuple(step.name for step in report.steps) == STEPS
    assert all(step.seconds >= 0 for step in report.steps)
    assert all(report[name].applied for name in STEPS[1:])
    assert report["white_balance"].detail["source"] == "backdrop"
    assert report["exposure"].detail["stops"] > 0  # type: ignore[operator]
    assert report.to_dict()["steps"][1]["detail"]["mode"] == "outline"
    with pytest.raises(KeyError):
        report["sharpening"]


def test_doubt_reaches_the_notes() -> None:
    result = finished("white-shoe-on-white")
    assert any(note.startswith("cutout: doubtful outline") for note in result.report.notes)


def test_the_same_picture_gives_the_same_bytes() -> None:
    one, other = (encode(finished("watch-on-blue").picture, "png") for _ in range(2))
    assert one == other


def test_without_a_size_the_frame_is_square() -> None:
    result = finish(Image.new("RGB", (60, 40), (90, 90, 90)), Recipe(cutout="none"))
    assert result.picture.size == (60, 60)


def test_a_picture_that_is_not_plain_is_kept_whole() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    result = finish(Image.fromarray(noise), Recipe(white_balance=0, exposure=0))
    assert not result.report["cutout"].applied
    assert (np.asarray(result.picture)[16:80] == noise).all()
    assert (np.asarray(result.picture)[:16] == 255).all()


def test_a_cut_out_that_comes_in_is_kept() -> None:
    product = bag(96)
    pixels = np.asarray(photograph(product))
    alpha = np.rint(product.alpha * 255).astype(np.uint8)
    given = Image.fromarray(np.dstack([pixels, alpha]))
    result = finish(given, Recipe(background="transparent", fill=1.0))
    assert not result.report["cutout"].applied
    solid = result.picture.getchannel("A").point(lambda value: 255 * (value > 127))
    assert solid.getbbox() == pytest.approx(box_of(result), abs=1)


def test_the_given_picture_is_not_changed() -> None:
    picture = photograph(bag(96), (220, 220, 220))
    before = picture.tobytes()
    finish(picture, Recipe())
    assert picture.tobytes() == before


def test_place_and_time_do_not_travel_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "S", 2: (23.0, 33.0, 0.0)})
    photograph(bag(96), (220, 220, 220)).save(tmp_path / "photo.jpg", exif=exif)
    result = finish(open_picture(tmp_path / "photo.jpg"), Recipe())
    assert "exif" not in result.picture.info
    assert b"2026:01:02" not in encode(result.picture, "jpeg")


def test_a_picture_without_any_product_pixel_is_refused() -> None:
    with pytest.raises(PictureInvalid, match="transparent throughout"):
        finish(Image.new("RGBA", (40, 40), (9, 9, 9, 0)), Recipe())


@pytest.mark.parametrize("cutout", ["plain", "none"])
@pytest.mark.parametrize("colour", ["white", "black", "#7f7f7f"])
def test_an_empty_picture_stays_as_it_is(colour: str, cutout: str) -> None:
    picture = Image.new("RGB", (48, 48), colour)
    result = finish(picture, Recipe(cutout=cutout, white_balance=0, exposure=0))
    assert (np.asarray(result.picture) == np.asarray(picture)).all()
    assert not result.report["cutout"].applied


@pytest.mark.parametrize("photo", PHOTOS, ids=[photo.stem for photo in PHOTOS])
def test_the_sample_photos_are_finished(photo: Path) -> None:
    recipe = Recipe(width=256, height=256)
    result = finish(open_picture(photo), recipe)
    assert result.report["cutout"].detail["confidence"] > 0.8  # type: ignore[operator]
    pixels = np.asarray(result.picture)
    assert (pixels[:12] == 255).all()
    assert (pixels[-12:] == 255).all()
    box = box_of(result)
    assert max(box[2] - box[0], box[3] - box[1]) == round(0.85 * 256)
    cut = finish(open_picture(photo), replace(recipe, background="transparent")).picture
    assert cut.getchannel("A").getextrema() == (0, 255)


def test_finishing_leaves_opencv_as_it_was() -> None:
    threads = cv2.getNumThreads()
    finished("watch-on-blue")
    assert cv2.getNumThreads() == threads


if __name__ == "__main__":
    GOLDENS.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        (GOLDENS / f"{case}.png").write_bytes(encode(finished(case).picture, "png"))
