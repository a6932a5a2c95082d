"""Finished pictures as PNG, JPEG or WebP bytes: an sRGB profile, the source type, the EXIF one hands in."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from imagegen_postprocess.errors import FinishingError
from imagegen_postprocess.provenance.xmp import packet

FORMATS = ("png", "jpeg", "webp")
_WEBP_MAX_SIDE = 16383  # 14-bit size fields of the VP8 frame header (RFC 6386, 9.1)


def encode(
    picture: Image.Image,
    format: str,
    quality: int = 90,
    *,
    source_type: str | None = None,
    exif: bytes | None = None,
) -> bytes:
    """RGB or RGBA picture -> file bytes. Equal pictures give equal bytes.

    format: "png" (lossless), "jpeg" (4:4:4, no transparency) or "webp" (lossy). quality: 1..100, unused by
    PNG. source_type: a code of IPTC's digital source types, one word, written as XMP; None writes no XMP.
    exif: an EXIF block to write, as `kept_exif` gives it.
    Raises FinishingError, field "format", "quality", "picture" or "source_type".
    """
    if format not in FORMATS:
        raise FinishingError(f"format is {format!r}", field="format", hint=f"Use {', '.join(FORMATS)}")
    if type(quality) is not int or not 1 <= quality <= 100:
        raise FinishingError(
            f"quality is {quality!r}", field="quality", hint="Use a whole number from 1 to 100"
        )
    if picture.mode not in ("RGB", "RGBA"):
        raise FinishingError(f"the picture's mode is {picture.mode}", field="picture", hint="Use RGB or RGBA")
    if format == "jpeg" and picture.mode == "RGBA":
        raise FinishingError(
            "JPEG cannot hold a transparent picture",
            field="format",
            hint="Use png or webp, or a background colour",
        )
    if format == "webp" and max(picture.size) > _WEBP_MAX_SIDE:
        raise FinishingError(
            f"WebP holds at most {_WEBP_MAX_SIDE} pixels a side", field="format", hint="Use png or jpeg"
        )
    if source_type is not None and not re.fullmatch(r"[A-Za-z]{1,64}", source_type):
        raise FinishingError(
            f"source_type is {source_type!r}",
            field="source_type",
            hint="Use a code like trainedAlgorithmicMedia",
        )
    options: dict[str, dict[str, Any]] = {
        "png": {},
        "jpeg": {"quality": quality, "subsampling": "4:4:4", "optimize": True},
        "webp": {"quality": quality, "alpha_quality": 100, "method": 4},
    }
    # Only pixels are handed on: Pillow would otherwise write back EXIF and XMP found in `picture.info`.
    bare = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    if source_type is not None and format == "png":
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet(source_type).decode())
        options["png"]["pnginfo"] = texts
    elif source_type is not None:
        options[format]["xmp"] = packet(source_type)
    if exif is not None:
        options[format]["exif"] = exif
    buffer = io.BytesIO()
    try:
        bare.save(buffer, format, icc_profile=srgb_profile(), **options[format])
    except OSError:
        # Pillow gives libjpeg room for two bytes a pixel when it optimizes; noise takes more.
        if format != "jpeg":
            raise
        buffer = io.BytesIO()
        bare.save(buffer, format, icc_profile=srgb_profile(), **options[format] | {"optimize": False})
    return buffer.getvalue()


def encode_within(
    picture: Image.Image,
    format: str,
    max_bytes: int | None,
    quality: int = 90,
    least_quality: int = 50,
    *,
    source_type: str | None = None,
    exif: bytes | None = None,
    seal: Callable[[bytes], bytes] = lambda data: data,
) -> bytes:
    """`encode` at the highest quality, `quality` or below, whose file has at most `max_bytes` bytes.

    max_bytes: None for no limit. least_quality: 1..quality; below it pictures look worse than smaller ones
    would. seal: what is done to the encoded file last, as signing it; its result is what is measured.
    Raises FinishingError, field "max_bytes", when no file fits, and what `encode` raises.
    """
    best = seal(encode(picture, format, quality, source_type=source_type, exif=exif))
    if max_bytes is None or len(best) <= max_bytes:
        return best
    fits: bytes | None = None
    low, high = least_quality, quality - 1 if format != "png" else 0
    while low <= high:
        # Files grow with quality, but for a few bytes here and there: what is returned was itself measured.
        middle = (low + high + 1) // 2
        data = seal(encode(picture, format, middle, source_type=source_type, exif=exif))
        if len(data) <= max_bytes:
            fits, low = data, middle + 1
        else:
            high = middle - 1
    if fits is None:
        raise FinishingError(
            f"a {format} of {picture.width}x{picture.height} pixels does not fit into {max_bytes:,} bytes",
            field="max_bytes",
            hint="Ask for fewer pixels" + ("" if format != "png" else ", or for a JPEG"),
        )
    return fits


@cache
def srgb_profile() -> bytes:
    """An sRGB ICC profile, the same bytes at every call on every day."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Bytes 24-35 are the creation time (ICC.1, 7.2.8): LittleCMS writes the clock there.
    profile[24:36] = bytes((0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))
    return bytes(profile)
