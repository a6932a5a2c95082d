"""What a file is and says of itself."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageCms

from imagegen_postprocess import PictureInvalid, encode, read_facts


def saved(format: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (40, 30)).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif", "tiff", "bmp"])
def test_format_size_and_bytes(format: str) -> None:
    data = saved(format)
    facts = read_facts(data, f"folder/a.{format}")
    assert (facts.name, facts.format, facts.bytes) == (f"a.{format}", format, len(data))
    assert (facts.width, facts.height, facts.frames) == (40, 30, 1)
    assert (facts.jpeg_quality is not None) == (format == "jpeg")
    assert (facts.colour_space, facts.source_type, facts.c2pa, facts.gps) == ("untagged", None, False, False)


def test_colour_spaces() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert read_facts(encode(Image.new("RGB", (20, 20)), "png"), "a").colour_space == "sRGB"
    assert read_facts(saved("jpeg", "CMYK"), "a").colour_space == "CMYK"
    assert "Lab" in read_facts(saved("png", icc_profile=lab), "a").colour_space
    assert read_facts(saved("png", icc_profile=b"nonsense"), "a").colour_space == "an unreadable profile"


def test_a_place_is_told() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_facts(saved("jpeg", exif=exif), "a")
    assert (turned.width, turned.height, turned.exif, turned.gps) == (30, 40, True, False)
    exif.get_ifd(0x8825)[1] = "S"
    exif.get_ifd(0x8825)[2] = (23.0, 33.0, 1.0)
    assert read_facts(saved("jpeg", exif=exif), "a").gps


def test_what_is_no_picture_is_refused_by_name() -> None:
    with pytest.raises(PictureInvalid, match=r"a\.png"):
        read_facts(b"no picture", "a.png")
