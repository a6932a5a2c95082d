"""Intake: any picture that Pillow can open becomes upright 8-bit sRGB, with its alpha kept apart.

Metadata ends here: only pixels travel on, so neither GPS nor any other EXIF field can reach the result.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from imagegen_postprocess.errors import PictureInvalid
from imagegen_postprocess.provenance.c2pa import keep_signed_file
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Plane, Subject

MIN_SIDE = 16
MAX_PIXELS = 100_000_000
# Floating-point planes of a 100-megapixel picture would take 1.2 GB each; a frame holds at most 67 megapixels
# and the usual one holds one or four, so larger pictures are reduced first, and the report says so.
WORKING_PIXELS = 16_000_000

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "ICO")
"""What photos and exports come in. Pillow opens forty more, and for some of them runs other programs
(Ghostscript for EPS): a file from a stranger must not choose that."""

_FULLY_OPAQUE = 254  # an alpha channel that never falls below this carries no cut-out


def open_picture(source: Path | bytes, *, name: str | None = None) -> Image.Image:
    """Open and fully decode a picture file, checking its size before a single pixel is unpacked.

    source: a path or the file's bytes. name: how messages call it; the path's name by default. Raises
    PictureInvalid (field "picture") for what is not a picture, is truncated, empty, too small or too large.
    """
    name = name or (source.name if isinstance(source, Path) else "the picture")
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise PictureInvalid(f"{name} cannot be read: {error.strerror}", field="picture") from error
    if not data:
        raise PictureInvalid(f"{name} is empty (0 bytes)", field="picture")
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 megapixels and refuses above 179; our own limit below replaces both.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
        _require_size(picture, name)
        picture.load()
    except UnidentifiedImageError as error:
        raise PictureInvalid(
            f"{name} is not a picture in a known format", field="picture", hint="Use PNG, JPEG, WebP or TIFF"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureInvalid(f"{name} is too large: {error}", field="picture") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PictureInvalid):
            raise
        raise PictureInvalid(f"{name} is damaged or truncated: {error}", field="picture") from error
    keep_signed_file(picture, data)
    return picture


def take_in(picture: Image.Image, *, reduce: bool = True) -> tuple[Subject, StepNote]:
    """Any Pillow picture -> `Subject` (sRGB uint8 [H, W, 3]; alpha kept when the picture carries a cut-out).

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB, 16-bit, grey, palette, CMYK and
    transparent modes are understood, of an animation the current frame is used. reduce: pictures above 16
    megapixels are made smaller. Raises PictureInvalid.
    """
    _require_size(picture, "the picture")
    detail: Detail = {"mode": picture.mode, "width": picture.width, "height": picture.height}
    notes = []
    if getattr(picture, "n_frames", 1) > 1:
        notes.append("animated: only one frame is used")
    try:
        upright = ImageOps.exif_transpose(picture)
        even = _even_mode(upright)
        reduction = math.ceil((even.width * even.height / WORKING_PIXELS) ** 0.5) if reduce else 1
        if reduction > 1:
            even = even.reduce(reduction)
            detail["reduced_by"] = reduction
            notes.append(f"{picture.width}x{picture.height} pixels are reduced {reduction} times first")
        alpha = _alpha(even)
        colour = _to_srgb(even.convert("RGBA") if even.mode == "RGBa" else even, detail, notes)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, PictureInvalid):
            raise
        raise PictureInvalid(f"the picture cannot be decoded: {error}", field="picture") from error
    if alpha is not None:
        detail["alpha"] = "kept"
    changed = picture.mode != "RGB" or upright.size != picture.size or reduction > 1 or "profile" in detail
    return Subject(np.asarray(colour, np.uint8), alpha), StepNote(changed, detail, "; ".join(notes))


def _even_mode(picture: Image.Image) -> Image.Image:
    """The picture in a mode whose pixels may be averaged: no palette, colours weighted by their alpha."""
    if picture.has_transparency_data:
        straight = picture.convert("LA") if picture.mode == "La" else picture
        return straight.convert("RGBA").convert("RGBa")
    if picture.mode in ("P", "1"):
        return picture.convert("RGB")
    return picture.convert("I") if picture.mode.startswith("I;16") else picture


def _require_size(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        raise PictureInvalid(
            f"{name} is {width}x{height} pixels",
            field="picture",
            hint=f"Each side needs at least {MIN_SIDE} pixels",
        )
    if width * height > MAX_PIXELS:
        raise PictureInvalid(
            f"{name} is {width}x{height} pixels",
            field="picture",
            hint=f"At most {MAX_PIXELS // 1_000_000} megapixels are accepted",
        )


def _alpha(picture: Image.Image) -> Plane | None:
    """The alpha channel as 0..1, or None when the picture has none or is opaque throughout."""
    if picture.mode != "RGBa":
        return None
    alpha = np.asarray(picture.getchannel("a"))
    return None if alpha.min() >= _FULLY_OPAQUE else np.divide(alpha, 255, dtype=np.float32)


def _to_srgb(picture: Image.Image, detail: Detail, notes: list[str]) -> Image.Image:
    """RGB picture in sRGB code values; any alpha is dropped, not blended."""
    if picture.mode in ("I", "F"):
        return _from_deep_grey(picture)
    profile = picture.info.get("icc_profile")
    colour = picture if picture.mode in ("RGB", "L", "CMYK", "LAB") else picture.convert("RGB")
    if not profile:
        return colour.convert("RGB")
    if colour.mode != _profile_mode(profile):
        notes.append("the embedded colour profile does not fit the picture's mode; colours are read as sRGB")
        return colour.convert("RGB")
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            colour.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        converted = ImageCms.applyTransform(colour, transform)
    except (ImageCms.PyCMSError, OSError) as error:
        notes.append(f"the embedded colour profile is unusable ({error}); colours are read as sRGB")
        return colour.convert("RGB")
    detail["profile"] = "converted to sRGB"
    return converted or colour.convert("RGB")


def _from_deep_grey(picture: Image.Image) -> Image.Image:
    """16-bit, 32-bit or floating-point grey -> RGB. Range 0..65535, or 0..1 for floats within it."""
    values = np.asarray(picture, np.float64)
    if not np.isfinite(values).all():
        raise PictureInvalid("the picture holds values that are not finite", field="picture")
    top = 1.0 if picture.mode == "F" and values.max() <= 1.0 else 65535.0
    grey = np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _profile_mode(profile: bytes) -> str:
    """The Pillow mode that an ICC profile describes: the colour space signature at byte 16 (ICC.1, 7.2.6)."""
    return {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK", b"Lab ": "LAB"}.get(profile[16:20], "")
