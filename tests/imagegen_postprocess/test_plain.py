from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess.background.plain import cut_out_plain
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.report import StepNote
from imagegen_postprocess.subject import Plane, Subject
from tests.imagegen_postprocess.drawn import Colour, Drawn, bag, ball, photograph, shoe, watch

WHITE, OFF_WHITE, GREY, BLUE, GREEN, BLACK = (
    (255, 255, 255),
    (246, 246, 248),
    (205, 205, 205),
    (120, 160, 210),
    (60, 150, 80),
    (24, 24, 26),
)


def cut(picture: Image.Image) -> tuple[Subject, StepNote]:
    return cut_out_plain(Subject(np.asarray(picture)))


def overlap(subject: Subject, truth: Drawn) -> float:
    """Intersection over union of alpha > 0.5."""
    assert subject.alpha is not None
    mine = subject.alpha > 0.5
    return float((mine & truth.solid).sum() / (mine | truth.solid).sum())


@pytest.mark.parametrize("backdrop", [WHITE, OFF_WHITE, GREY, BLUE, GREEN])
@pytest.mark.parametrize(
    "product", [bag(), watch(dial=(228, 226, 220)), ball()], ids=["bag", "watch", "ball"]
)
def test_drawn_products_are_found_on_plain_backdrops(product: Drawn, backdrop: Colour) -> None:
    subject, note = cut(photograph(product, backdrop, noise=1.0, slope=0.08, seed=5))
    assert note.applied
    assert note.note == ""
    assert note.detail["mode"] == "outline"
    assert overlap(subject, product) > 0.98
    assert subject.alpha is not None
    assert np.abs(subject.alpha - product.alpha).mean() < 0.006


def test_a_light_product_is_found_on_black() -> None:
    subject, note = cut(photograph(watch(), BLACK, noise=1.0))
    assert overlap(subject, watch()) > 0.97
    assert note.applied


def test_the_edge_is_soft_where_the_drawing_is() -> None:
    subject, _ = cut(photograph(bag(), GREY))
    assert subject.alpha is not None
    mixed = (bag().alpha > 0.1) & (bag().alpha < 0.9)
    assert np.abs(subject.alpha - bag().alpha)[mixed].mean() < 0.12


def test_the_backdrop_does_not_stain_the_edges() -> None:
    product = ball()
    subject, _ = cut(photograph(product, GREEN))
    assert subject.alpha is not None
    edge = (subject.alpha > 0.3) & (subject.alpha < 0.95) & product.solid
    colours = to_light(subject.pixels[edge])
    photographed = to_light(np.asarray(photograph(product, GREEN))[edge])
    truth = product.colour[edge]
    assert np.abs(colours - truth).mean() < 0.5 * np.abs(photographed - truth).mean()


@pytest.mark.parametrize("backdrop", [WHITE, GREY, BLUE])
def test_a_handle_is_seen_through(backdrop: Colour) -> None:
    subject, note = cut(photograph(bag(), backdrop, noise=0.8))
    assert subject.alpha is not None
    assert note.detail["holes"] == 1
    assert subject.alpha[70:100, 110:146].max() == 0


def test_a_white_dial_is_no_hole() -> None:
    for dial in ((250, 250, 250), (246, 246, 246)):
        subject, note = cut(photograph(watch(dial=dial), WHITE))
        assert subject.alpha is not None
        assert subject.alpha[100:150, 100:150].min() == 1
        assert note.detail["holes"] == 0


@pytest.mark.parametrize("backdrop", [WHITE, OFF_WHITE, (250, 250, 250)])
@pytest.mark.parametrize("noise", [0.0, 0.8, 1.5])
def test_a_white_shoe_on_white_is_not_eaten(backdrop: Colour, noise: float) -> None:
    product = shoe()
    picture = photograph(product, backdrop, noise=noise, seed=7)
    subject, note = cut(picture)
    assert note.applied
    assert subject.alpha is not None
    # What is laid on white again may be lightened as the backdrop is, but keeps its shading.
    laid = to_pixels(to_light(subject.pixels) * subject.alpha[..., None] + 1 - subject.alpha[..., None])
    lost = np.asarray(picture).astype(int) - laid.astype(int)
    assert np.percentile(np.abs(lost[product.alpha > 0.99]), 98) <= 255 - min(backdrop) + 4
    sole = (slice(176, 188), slice(40, 220))
    assert np.abs(lost[sole]).max() <= 6
    if note.detail["confidence"] < 0.5:  # type: ignore[operator]
        assert note.detail["mode"] == "certain backdrop only"
        assert "doubtful" in note.note


@pytest.mark.parametrize(("backdrop", "shadow"), [(WHITE, 0.4), (OFF_WHITE, 0.3), (BLUE, 0.4)])
def test_laid_over_its_backdrop_the_cut_out_is_the_photograph(backdrop: Colour, shadow: float) -> None:
    picture = photograph(bag(), backdrop, shadow=shadow)
    subject, _ = cut(picture)
    assert subject.alpha is not None
    behind = to_light(np.full((256, 256, 3), backdrop, np.uint8))
    share = subject.alpha[..., None]
    again = to_pixels(to_light(subject.pixels) * share + behind * (1 - share))
    difference = np.abs(again.astype(int) - np.asarray(picture).astype(int)).max(axis=2)
    assert np.percentile(difference, 99) <= 4
    assert difference.mean() < 0.6


def test_a_shadow_becomes_translucent_black() -> None:
    subject, _ = cut(photograph(watch(), BLUE, shadow=0.5))
    assert subject.alpha is not None
    edge = cv2.dilate(watch().alpha, np.ones((9, 9), np.uint8)) > 0
    outside = ~edge & (subject.alpha > 0.15)
    assert outside.sum() > 100
    assert subject.alpha[outside].max() < 0.7
    assert to_light(subject.pixels[outside]).mean() < 0.02


def test_noise_alone_leaves_no_specks() -> None:
    subject, _ = cut(photograph(bag(), GREY, noise=2.5, seed=11))
    assert subject.alpha is not None
    far = cv2.dilate(bag().solid.astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert subject.alpha[far].max() == 0


@pytest.mark.parametrize("product", [bag(), shoe()], ids=["outline", "cautious"])
def test_dust_and_corner_pixels_are_no_product(product: Drawn) -> None:
    pixels = np.array(photograph(product, (250, 250, 250), noise=1))
    pixels[253:, 252:] = (20, 20, 20)  # as a decoder leaves them
    pixels[30:32, 20:22] = (215, 215, 215)
    subject, _ = cut(Image.fromarray(pixels))
    assert subject.alpha is not None
    assert subject.alpha[245:, 245:].max() == 0
    assert subject.alpha[25:36, 15:26].max() == 0


def test_larger_pictures_give_the_same_cut_out() -> None:
    small, _ = cut(photograph(bag(), GREY, noise=1))
    product = bag(700)
    large, note = cut(photograph(product, GREY, noise=1))
    assert overlap(large, product) > 0.985
    assert note.detail["holes"] == 1
    assert small.alpha is not None
    assert large.alpha is not None
    assert (small.alpha > 0.5).mean() == pytest.approx((large.alpha > 0.5).mean(), rel=0.02)


@pytest.mark.parametrize("kind", ["blurred", "tiles", "noise", "two walls"])
def test_a_border_that_is_not_plain_is_reported(kind: str) -> None:
    random = np.random.default_rng(3)
    if kind == "noise":
        pixels = random.integers(0, 255, (120, 120, 3), np.uint8)
    elif kind == "two walls":
        pixels = np.full((120, 120, 3), 200, np.uint8)
        pixels[:, 60:] = (90, 60, 40)
        pixels[40:80, 40:80] = (200, 20, 20)
    else:
        tiles = random.integers(60, 240, (6, 6, 3), np.uint8)
        method = Image.Resampling.BICUBIC if kind == "blurred" else Image.Resampling.NEAREST
        pixels = np.asarray(Image.fromarray(tiles).resize((120, 120), method))
    subject = Subject(pixels)
    kept, note = cut_out_plain(subject)
    assert kept is subject
    assert not note.applied
    assert note.detail["confidence"] == 0
    assert "not plain" in note.note


@pytest.mark.parametrize("noise", [4.0, 6.0])
def test_doubt_before_a_hardly_plain_border_keeps_the_picture_whole(noise: float) -> None:
    kept, note = cut(photograph(shoe(), (240, 240, 240), noise=noise, slope=0.3))
    assert kept.alpha is None
    assert not note.applied
    assert 0 < note.detail["confidence"] < 0.5  # type: ignore[operator]
    assert "hardly plain" in note.note


@pytest.mark.parametrize("backdrop", [WHITE, GREY])
def test_an_empty_backdrop_is_reported(backdrop: Colour) -> None:
    pixels = np.full((80, 100, 3), backdrop, np.uint8)
    noisy = np.clip(pixels + np.random.default_rng(5).normal(0, 1, pixels.shape), 0, 255).astype(np.uint8)
    for subject in (Subject(pixels), Subject(noisy)):
        kept, note = cut_out_plain(subject)
        assert kept.alpha is None
        assert kept.backdrop is not None
        assert not note.applied
        assert "no product" in note.note


def test_a_product_at_the_border_is_said() -> None:
    picture = photograph(bag(), GREY).crop((0, 0, 256, 200))
    subject, note = cut(picture)
    assert note.applied
    assert "touches the border" in note.note
    assert subject.alpha is not None
    assert subject.alpha[199, 128] == 1


def test_the_same_picture_gives_the_same_alpha_on_any_number_of_threads() -> None:
    picture = photograph(shoe(), OFF_WHITE, noise=1.5)
    threads = cv2.getNumThreads()
    alphas: list[Plane | None] = []
    try:
        for count in (1, 2, 2):
            cv2.setNumThreads(count)
            cv2.setRNGSeed(len(alphas) + 99)  # whatever ran before must not matter
            alphas.append(cut(picture)[0].alpha)
    finally:
        cv2.setNumThreads(threads)
    assert alphas[0] is not None
    assert all(alpha is not None and np.array_equal(alpha, alphas[0]) for alpha in alphas)


@pytest.mark.parametrize("size", [(16, 16), (16, 300), (33, 17)])
def test_small_pictures_are_handled(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, OFF_WHITE)
    picture.paste((20, 60, 140), (6, 6, size[0] - 6, size[1] - 6))
    subject, _ = cut(picture)
    assert subject.pixels.shape == (size[1], size[0], 3)
