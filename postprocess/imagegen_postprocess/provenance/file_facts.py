"""What a picture file is and says of itself, without judging it."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import PurePath
from typing import Any

from PIL import ExifTags, Image, ImageCms, ImageOps

from imagegen_postprocess.intake import open_picture
from imagegen_postprocess.provenance.c2pa import has_manifest
from imagegen_postprocess.provenance.xmp import source_type


@dataclass(frozen=True)
class FileFacts:
    """One picture file.

    name: the file's name without its folder. bytes: its size. format: "jpeg", "png", ... width, height:
    pixels as they are shown, after EXIF orientation. mode: Pillow's. frames: above 1 for an animation.
    colour_space: "sRGB", the embedded profile's own name, "CMYK", or "untagged" (shown as sRGB).
    jpeg_quality: 1..100 as libjpeg counts, from the quantisation tables; None for other formats.
    source_type: the code of IPTC's digital source type, from XMP. c2pa: a C2PA manifest is there; it is not
    verified. exif, gps: EXIF data, and a place among them.
    """

    name: str
    bytes: int
    format: str
    width: int
    height: int
    mode: str
    frames: int
    colour_space: str
    jpeg_quality: int | None
    source_type: str | None
    c2pa: bool
    exif: bool
    gps: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_file(data: bytes, name: str) -> tuple[Image.Image, FileFacts]:
    """The upright picture and the facts of its file; PictureInvalid for what is none."""
    picture = open_picture(data, name=name)
    upright = ImageOps.exif_transpose(picture)
    format = (picture.format or "").lower().replace("mpo", "jpeg")
    exif = picture.getexif()
    facts = FileFacts(
        name=PurePath(name).name,
        bytes=len(data),
        format=format,
        width=upright.width,
        height=upright.height,
        mode=picture.mode,
        frames=getattr(picture, "n_frames", 1),
        colour_space=_colour_space(picture),
        jpeg_quality=_jpeg_quality(picture),
        source_type=origin_of(picture),
        c2pa=has_manifest(data, format),
        exif=len(exif) > 0,
        gps=len(exif.get_ifd(ExifTags.IFD.GPSInfo)) > 0,
    )
    return upright, facts


def read_facts(data: bytes, name: str) -> FileFacts:
    """The facts of a picture file; PictureInvalid for what is none."""
    return read_file(data, name)[1]


def origin_of(picture: Image.Image) -> str | None:
    """The code of the digital source type that an opened picture carries; None when it has none."""
    packet = picture.info.get("xmp") or b""
    return source_type(packet.encode() if isinstance(packet, str) else packet)


def _colour_space(picture: Image.Image) -> str:
    profile = picture.info.get("icc_profile")
    if picture.mode in ("CMYK", "LAB"):
        return picture.mode
    if not profile:
        return "untagged"
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "an unreadable profile"
    return "sRGB" if "srgb" in name.lower() else name or "a profile without a name"


def _jpeg_quality(picture: Image.Image) -> int | None:
    total = _luminance_sum(picture)
    if total is None:
        return None
    return min(_luminance_sums(), key=lambda quality: abs(_luminance_sums()[quality] - total))


def _luminance_sum(picture: Image.Image) -> int | None:
    tables: dict[int, list[int]] | None = getattr(picture, "quantization", None)  # only JPEGs have some
    return sum(tables[0]) if tables else None


@cache
def _luminance_sums() -> dict[int, int]:
    """JPEG quality -> sum of the luminance table that libjpeg writes for it."""
    sums = {}
    for quality in range(100, 0, -1):
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "jpeg", quality=quality)
        with Image.open(buffer) as picture:
            sums[quality] = _luminance_sum(picture) or 0
    return sums
