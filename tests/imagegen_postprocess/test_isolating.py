from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess import ProductNotFound, isolate, isolating, open_picture
from tests.imagegen_postprocess.drawn import bag, photograph, watch
from tests.imagegen_postprocess.textured import before_a_texture


def test_the_cut_out_is_as_large_as_the_picture() -> None:
    picture = photograph(bag(192)).crop((0, 0, 192, 180))
    cut = isolate(picture)
    assert (cut.picture.mode, cut.picture.size) == ("RGBA", (192, 180))
    assert cut.report["cutout"].detail["method"] == "plain"
    assert cut.report["cutout"].detail["review"] is False
    assert cut.picture.getpixel((0, 0)) == (0, 0, 0, 0)


def test_exif_turns_it() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(bag(128)).crop((0, 0, 128, 100)).save(buffer, "jpeg", quality=95, exif=exif)
    assert isolate(open_picture(buffer.getvalue())).picture.size == (100, 128)


def test_an_alpha_of_its_own_is_kept() -> None:
    drawn = np.zeros((40, 50, 4), np.uint8)
    drawn[10:30, 10:40] = (200, 10, 10, 255)
    cut = isolate(Image.fromarray(drawn, "RGBA"))
    assert (np.asarray(cut.picture)[..., 3] == drawn[..., 3]).all()
    assert "a cut-out already" in cut.report["cutout"].note


@pytest.mark.parametrize("size", [(300, 200), (16, 16), (16, 900)])
def test_no_product_is_an_error(size: tuple[int, int]) -> None:
    for method in ("auto", "plain"):
        with pytest.raises(ProductNotFound) as refusal:
            isolate(Image.new("RGB", size, "white"), method)
        assert refusal.value.field == "picture"
        assert refusal.value.hint


def test_a_room_is_left_to_the_network() -> None:
    picture, truth = before_a_texture(bag(256))
    cut = isolate(Image.fromarray(picture))
    assert cut.report["cutout"].detail["method"] == "bundled"
    found = np.asarray(cut.picture)[..., 3] > 127
    assert (found & (truth > 0.5)).sum() / (found | (truth > 0.5)).sum() > 0.85


def test_a_doubtful_cut_out_is_flagged() -> None:
    """White on white with hardly an outline: whatever comes out, a person is asked."""
    picture = np.full((200, 200, 3), 236, np.uint8)
    picture[60:140, 60:140] = 238
    try:
        report = isolate(Image.fromarray(picture)).report["cutout"]
    except ProductNotFound:
        return
    assert report.detail["review"] is True
    assert report.note


def test_pictures_above_the_working_size_keep_their_own_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photograph(bag(256))
    monkeypatch.setattr(isolating, "WORKING_PIXELS", 128 * 128)
    cut = np.asarray(isolate(picture).picture)
    assert cut.shape == (256, 256, 4)
    solid = cut[..., 3] == 255
    assert solid.mean() > 0.1
    assert (cut[..., :3][solid] == np.asarray(picture)[solid]).all()


def test_shadows_stay_only_when_asked() -> None:
    picture = photograph(watch(192), (226, 224, 218), shadow=0.4, seed=1)
    outside = watch(192).alpha == 0
    kept, removed = (
        float(np.asarray(isolate(picture, "plain", keep_shadow=keep).picture)[..., 3][outside].mean())
        for keep in (True, False)
    )
    assert kept > 2 * removed
