from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess import PictureInvalid, open_picture
from imagegen_postprocess.encoding import srgb_profile
from imagegen_postprocess.intake import MAX_PIXELS, WORKING_PIXELS, take_in


def corners(side: int = 32) -> Image.Image:
    """Black, with a red top left quarter."""
    picture = Image.new("RGB", (side, side * 2))
    picture.paste((200, 30, 20), (0, 0, side // 2, side))
    return picture


def file_of(picture: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def swapped_profile() -> bytes:
    """The sRGB profile with red and green exchanged: (r, g, b) in it is (g, r, b) in sRGB."""
    profile = bytearray(srgb_profile())
    (count,) = struct.unpack(">I", profile[128:132])
    places = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, green = places[b"rXYZ"] + 4, places[b"gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    return bytes(profile)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WebP", "TIFF", "BMP", "GIF"])
def test_files_of_common_formats_are_read(format: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(file_of(corners(), format))
    for source in (path, path.read_bytes()):
        subject, _ = take_in(open_picture(source))
        assert (subject.width, subject.height) == (32, 64)
        assert np.abs(subject.pixels[8, 6].astype(int) - (200, 30, 20)).max() < 25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not a picture in a known format"),
        (file_of(corners(), "PNG")[:90], "damaged or truncated"),
        (file_of(corners(64), "JPEG")[:700], "damaged or truncated"),
        (file_of(corners(64), "WebP")[:60], "known format|damaged or truncated"),
        (file_of(corners(64), "EPS"), "not a picture in a known format"),  # Pillow would run Ghostscript
        (file_of(corners(64), "PCX"), "not a picture in a known format"),
    ],
)
def test_a_bad_file_is_refused_by_name(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "shoe.png"
    path.write_bytes(content)
    with pytest.raises(PictureInvalid, match=message) as refusal:
        open_picture(path)
    assert refusal.value.field == "picture"
    assert "shoe.png" in str(refusal.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PictureInvalid, match=r"absent\.png cannot be read"):
        open_picture(tmp_path / "absent.png")
    with pytest.raises(PictureInvalid, match="cannot be read"):
        open_picture(tmp_path)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (10_001, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND", b"")
        )
        with pytest.raises(PictureInvalid, match=f"{side}x{side}|too large") as refusal:
            open_picture(bomb)
        assert refusal.value.field == "picture"


@pytest.mark.parametrize("size", [(15, 400), (400, 15), (1, 1)])
def test_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(PictureInvalid, match=f"{size[0]}x{size[1]} pixels") as refusal:
        take_in(Image.new("RGB", size))
    assert refusal.value.field == "picture"
    with pytest.raises(PictureInvalid):
        open_picture(file_of(Image.new("RGB", size), "PNG"))


def test_huge_pictures_are_refused() -> None:
    with pytest.raises(PictureInvalid, match="At most 100 megapixels"):
        take_in(Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)))


def test_large_pictures_are_reduced_and_it_is_said() -> None:
    side = int(WORKING_PIXELS**0.5) + 100
    subject, note = take_in(Image.new("L", (side, side), 90))
    assert (subject.width, subject.height) == (side // 2, side // 2)
    assert note.detail["reduced_by"] == 2
    assert "reduced 2 times" in note.note
    assert (subject.pixels == 90).all()


def test_reducing_a_cut_out_does_not_mix_in_hidden_colours() -> None:
    side = int(WORKING_PIXELS**0.5) + 102
    picture = Image.new("RGBA", (side, side), (0, 255, 0, 0))  # green hides behind transparency
    picture.paste((180, 20, 20, 255), (0, 0, side, side // 2 - 1))
    subject, _ = take_in(picture)
    assert subject.alpha is not None
    edge = subject.pixels[subject.alpha > 0]
    assert np.abs(edge.astype(int) - (180, 20, 20)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = corners()
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    subject, _ = take_in(open_picture(file_of(stored, "PNG", exif=exif)))
    assert (subject.pixels == np.asarray(upright)).all()


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    stored = open_picture(file_of(corners(), "PNG", icc_profile=swapped_profile()))
    subject, note = take_in(stored)
    assert note.detail["profile"] == "converted to sRGB"
    assert np.abs(subject.pixels[8, 6].astype(int) - (30, 200, 20)).max() <= 2


def test_an_srgb_profile_changes_nothing() -> None:
    subject, _ = take_in(open_picture(file_of(corners(), "PNG", icc_profile=srgb_profile())))
    assert np.abs(subject.pixels.astype(int) - np.asarray(corners())).max() <= 1


@pytest.mark.parametrize("profile", [b"rubbish", srgb_profile()[:200]])
def test_an_unusable_profile_is_reported(profile: bytes) -> None:
    subject, note = take_in(open_picture(file_of(corners(), "PNG", icc_profile=profile)))
    assert "colours are read as sRGB" in note.note
    assert (subject.pixels == np.asarray(corners())).all()


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "RGBX"])
def test_every_mode_without_alpha_becomes_rgb(mode: str) -> None:
    if mode in ("I", "I;16"):
        picture = Image.fromarray(np.full((20, 24), 40000, np.uint16)).convert(mode)
    elif mode == "F":
        picture = Image.fromarray(np.full((20, 24), 40000 / 65535, np.float32))
    elif mode == "LAB":
        picture = Image.new("LAB", (24, 20), (156, 128, 128))
    else:
        picture = Image.new("RGB", (24, 20), (156, 156, 156)).convert(mode)
    subject, _ = take_in(picture)
    assert subject.pixels.shape == (20, 24, 3)
    assert subject.pixels.dtype == np.uint8
    assert subject.alpha is None
    assert abs(float(subject.pixels.mean()) - 156) <= 14  # the mean, because palettes and bits are dithered


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(PictureInvalid, match="not finite"):
        take_in(Image.fromarray(np.full((20, 20), np.nan, np.float32)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGBa", "La"])
def test_a_cut_out_keeps_its_alpha(mode: str) -> None:
    picture = Image.new("RGBA", (40, 20), (90, 90, 90, 0))
    picture.paste((90, 90, 90, 255), (10, 5, 30, 15))
    picture = picture.convert("LA") if mode in ("LA", "La") else picture
    subject, note = take_in(picture.convert(mode))
    assert subject.alpha is not None
    assert subject.alpha.dtype == np.float32
    assert subject.alpha[10, 20] == 1
    assert subject.alpha[0, 0] == 0
    assert note.detail["alpha"] == "kept"
    assert np.abs(subject.pixels[10, 20].astype(int) - 90).max() <= 2


def test_an_opaque_alpha_is_no_cut_out() -> None:
    subject, _ = take_in(Image.new("RGBA", (20, 20), (1, 2, 3, 255)))
    assert subject.alpha is None


def test_of_an_animation_one_frame_is_used() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    subject, note = take_in(open_picture(data))
    assert tuple(subject.pixels[5, 5]) == (255, 0, 0)
    assert "only one frame" in note.note


def test_the_given_picture_is_left_as_it_was() -> None:
    picture = corners()
    before = picture.tobytes()
    take_in(picture)
    assert picture.tobytes() == before
