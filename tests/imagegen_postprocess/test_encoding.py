from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from imagegen_postprocess import FinishingError, encode, encode_within, read_facts
from imagegen_postprocess.encoding import FORMATS, srgb_profile


def gradient(mode: str = "RGB") -> Image.Image:
    ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (1, 48, len(mode)))
    return Image.fromarray(ramp, mode)


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_read_back_with_its_profile(format: str) -> None:
    with Image.open(io.BytesIO(encode(gradient(), format))) as picture:
        assert picture.format == format.upper()
        assert picture.info["icc_profile"] == srgb_profile()
        assert np.abs(np.asarray(picture).astype(int) - np.asarray(gradient())).max() <= (
            0 if format == "png" else 6
        )


@pytest.mark.parametrize("format", ["png", "webp"])
def test_transparency_is_kept(format: str) -> None:
    with Image.open(io.BytesIO(encode(gradient("RGBA"), format))) as picture:
        assert picture.mode == "RGBA"
        assert (np.asarray(picture)[..., 3] == np.asarray(gradient("RGBA"))[..., 3]).all()


@pytest.mark.parametrize("format", FORMATS)
def test_no_metadata_of_the_picture_is_written(format: str) -> None:
    source = gradient()
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[1] = "N"
    source.info |= {"exif": exif.tobytes(), "xmp": b"<x>SECRET</x>", "comment": b"SECRET", "dpi": (300, 300)}
    data = encode(source, format)
    assert b"SECRET" not in data
    with Image.open(io.BytesIO(data)) as picture:
        assert not picture.getexif()
        assert set(picture.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"} == {
            "icc_profile"
        } | ({"loop", "background", "timestamp", "duration"} & set(picture.info))


@pytest.mark.parametrize("format", FORMATS)
def test_equal_pictures_give_equal_bytes(format: str) -> None:
    assert encode(gradient(), format) == encode(gradient(), format)


def test_the_profile_is_srgb_and_has_no_clock_in_it() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert srgb_profile()[24:36] == bytes.fromhex("07d000010001000000000000")


def test_quality_buys_bytes() -> None:
    noisy = Image.effect_noise((64, 64), 60).convert("RGB")
    assert len(encode(noisy, "jpeg", 95)) > len(encode(noisy, "jpeg", 40))
    assert len(encode(noisy, "webp", 95)) > len(encode(noisy, "webp", 40))


@pytest.mark.parametrize(
    ("mode", "format", "quality", "field"),
    [
        ("RGB", "gif", 90, "format"),
        ("RGB", "PNG", 90, "format"),
        ("RGBA", "jpeg", 90, "format"),
        ("RGB", "jpeg", 0, "quality"),
        ("RGB", "webp", 101, "quality"),
        ("RGB", "jpeg", 90.5, "quality"),
        ("RGB", "jpeg", True, "quality"),
        ("L", "png", 90, "picture"),
        ("CMYK", "jpeg", 90, "picture"),
    ],
)
def test_what_cannot_be_encoded_is_refused_by_name(mode: str, format: str, quality: Any, field: str) -> None:
    with pytest.raises(FinishingError) as refusal:
        encode(Image.new(mode, (20, 20)), format, quality)
    assert refusal.value.field == field
    assert refusal.value.hint


def test_webp_has_a_longest_side() -> None:
    with pytest.raises(FinishingError, match="16383") as refusal:
        encode(Image.new("RGB", (16384, 16)), "webp")
    assert refusal.value.field == "format"


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_the_byte_limit_is_exact(format: str) -> None:
    noisy = Image.fromarray(np.random.default_rng(1).integers(0, 256, (48, 48, 3), np.uint8))
    sizes = {quality: len(encode(noisy, format, quality)) for quality in range(50, 91)}
    for quality in (90, 89, 70, 50):
        at = encode_within(noisy, format, sizes[quality])
        below = encode_within(noisy, format, sizes[quality] - 1) if quality > 50 else b""
        assert len(at) == sizes[quality]
        assert len(below) < sizes[quality]
        assert len(at) <= max(size for size in sizes.values() if size <= sizes[quality])


def test_without_a_limit_or_far_below_it_the_quality_asked_for_is_kept() -> None:
    assert encode_within(gradient(), "jpeg", None, 93) == encode(gradient(), "jpeg", 93)
    assert encode_within(gradient(), "jpeg", 10**9, 93) == encode(gradient(), "jpeg", 93)


@pytest.mark.parametrize("format", FORMATS)
def test_what_fits_at_no_quality_is_refused(format: str) -> None:
    with pytest.raises(FinishingError, match="does not fit into 300 bytes") as refusal:
        encode_within(gradient(), format, 300)
    assert refusal.value.field == "max_bytes"
    assert "fewer pixels" in (refusal.value.hint or "")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("origin", ["trainedAlgorithmicMedia", "algorithmicallyEnhanced"])
def test_the_source_type_is_written_and_read_back(format: str, origin: str) -> None:
    data = encode(gradient(), format, source_type=origin)
    facts = read_facts(data, "a")
    assert (facts.source_type, facts.colour_space, facts.exif) == (origin, "sRGB", False)
    assert data == encode(gradient(), format, source_type=origin)


@pytest.mark.parametrize("format", FORMATS)
def test_another_program_reads_the_source_type(format: str, tmp_path: Path) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed (apt-get install libimage-exiftool-perl)")
    file = tmp_path / f"a.{format}"
    file.write_bytes(encode(gradient(), format, source_type="trainedAlgorithmicMedia"))
    command = [exiftool, "-json", "-n", "-validate", "-XMP-iptcExt:all", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    (said,) = json.loads(ran.stdout)
    address = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert said["DigitalSourceType"] == address
    assert said["Validate"] in ("0 0 0", "OK")


def test_the_mark_counts_among_the_bytes() -> None:
    plain, marked = (encode(gradient(), "jpeg", source_type=origin) for origin in (None, "digitalCapture"))
    assert len(marked) > len(plain)
    within = encode_within(gradient(), "jpeg", len(marked) - 1, source_type="digitalCapture")
    assert len(within) < len(marked)


@pytest.mark.parametrize("origin", ["", "two words", "<tag>", "a/b"])
def test_a_source_type_is_one_word(origin: str) -> None:
    with pytest.raises(FinishingError) as refusal:
        encode(gradient(), "png", source_type=origin)
    assert refusal.value.field == "source_type"
