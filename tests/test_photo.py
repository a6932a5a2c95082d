"""A photo as the model sees it: upright, sRGB, on white; and what is none."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagegen.errors import InputFileInvalid
from imagegen.photo import MAX_BYTES, Photo


def file(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def test_it_is_known_by_its_content(tmp_path: Path) -> None:
    data = file(Image.new("RGB", (64, 64)))
    (tmp_path / "shoe.png").write_bytes(data)
    found = Photo.of(tmp_path / "shoe.png")
    assert found == Photo.of(data) == Photo(hashlib.sha256(data).hexdigest())
    assert found.name.endswith("shoe.png")
    assert found.without_data().data is None
    assert "PNG" not in repr(found)


def test_it_is_upright() -> None:
    picture = Image.new("RGB", (80, 64), "red")
    picture.paste("blue", (0, 0, 40, 64))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to the right to see it
    pixels = Photo.of(file(picture, "JPEG", exif=exif, quality=95)).pixels()
    assert pixels.shape == (80, 64, 3)
    assert pixels[10, 30, 2] > 200
    assert pixels[70, 30, 0] > 200


def test_what_is_transparent_is_white() -> None:
    picture = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    picture.paste((255, 0, 0, 128), (0, 0, 32, 64))
    pixels = Photo.of(file(picture)).pixels()
    assert pixels[5, 60].tolist() == [255, 255, 255]
    assert pixels[5, 5].tolist() == pytest.approx([255, 127, 127], abs=1)


def test_grey_is_three_colours() -> None:
    pixels = Photo.of(file(Image.new("L", (64, 64), 77))).pixels()
    assert pixels.shape == (64, 64, 3)
    assert np.all(pixels == 77)


def bomb() -> bytes:
    """A PNG that says it has 900 megapixels."""
    data = bytearray(file(Image.new("L", (64, 64))))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no picture at all", "not a picture"),
        (file(Image.new("RGB", (256, 256), "red"))[:200], "damaged|not a picture"),
        (file(Image.new("RGB", (63, 200))), "63x200"),
        (file(Image.new("RGB", (64, 600))), "64x600"),
        (bomb(), "megapixels|too large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
    ids=["text", "cut off", "small", "long", "bomb", "svg"],
)
def test_what_is_no_picture_is_refused_by_its_name(data: bytes, words: str) -> None:
    with pytest.raises(InputFileInvalid, match=words) as refusal:
        Photo.of(data, "references[2]").pixels()
    assert refusal.value.field == "references[2]"


def test_files_that_cannot_be_taken(tmp_path: Path) -> None:
    for source in (tmp_path / "none.png", b"", b"0" * (MAX_BYTES + 1)):
        with pytest.raises(InputFileInvalid):
            Photo.of(source)


def test_a_record_holds_no_picture() -> None:
    with pytest.raises(InputFileInvalid, match="not there any more"):
        Photo("ab" * 32).pixels()
