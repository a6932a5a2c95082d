"""What of a photo's EXIF data goes into its finished picture: fields by name, never all but some.

So neither the place where it was taken nor a serial number, a thumbnail or a maker's own notes can slip
through: they are on no list.
"""

from __future__ import annotations

from PIL import ExifTags, Image

_CREDIT = (ExifTags.Base.ImageDescription, ExifTags.Base.Artist, ExifTags.Base.Copyright)
_CAMERA = (ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.DateTime)
_EXPOSURE = (
    ExifTags.Base.ExposureTime,
    ExifTags.Base.FNumber,
    ExifTags.Base.ISOSpeedRatings,
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.FocalLength,
    ExifTags.Base.LensModel,
)
_LONGEST = 2000  # bytes of one field; longer ones are no credit


def kept_exif(picture: Image.Image, policy: str) -> bytes | None:
    """The EXIF block for the finished picture of an opened photo; None when nothing is to be kept.

    policy: a recipe's `metadata`. "none" keeps nothing, "credit" who made the picture and whose it is,
    "camera" also camera, lens, exposure and time. Fields that cannot be written again are left out.
    """
    if policy == "none":
        return None
    found = picture.getexif()
    kept = Image.Exif()
    for tag in _CREDIT + (_CAMERA if policy == "camera" else ()):
        value = found.get(tag)
        if isinstance(value, (str, bytes)) and value and len(value) <= _LONGEST:
            kept[tag] = value
    if policy == "camera":
        inner = found.get_ifd(ExifTags.IFD.Exif)
        exposure = {int(tag): inner[tag] for tag in _EXPOSURE if _is_plain(inner.get(tag))}
        if exposure:
            kept.get_ifd(ExifTags.IFD.Exif).update(exposure)
    if not kept and not kept.get_ifd(ExifTags.IFD.Exif):
        return None
    return kept.tobytes()


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST
    return isinstance(value, (int, float)) or hasattr(value, "numerator")
