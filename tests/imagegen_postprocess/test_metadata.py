"""What a finished picture may carry on of its photo's EXIF data."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from imagegen_postprocess import encode, kept_exif, open_picture

GPS, EXIF = ExifTags.IFD.GPSInfo, ExifTags.IFD.Exif


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ana"
    exif[ExifTags.Base.Copyright] = "(c) Ana"
    exif[ExifTags.Base.Model] = "Camera 1"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(EXIF)[ExifTags.Base.FNumber] = 2.8
    exif.get_ifd(EXIF)[ExifTags.Base.MakerNote] = b"secret"
    exif.get_ifd(EXIF)[ExifTags.Base.BodySerialNumber] = "12345"
    exif.get_ifd(GPS)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24)).save(buffer, "jpeg", exif=exif)
    return open_picture(buffer.getvalue())


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("policy", ["none", "credit", "camera"])
def test_only_what_the_policy_names_is_kept(photo: Image.Image, policy: str, format: str) -> None:
    file = encode(Image.new("RGB", (32, 32)), format, exif=kept_exif(photo, policy))
    found = open_picture(file).getexif()
    kept = {ExifTags.TAGS[tag] for tag in found if tag != EXIF}
    inner = {ExifTags.TAGS[tag] for tag in found.get_ifd(EXIF)}
    assert (
        kept
        == {
            "none": set(),
            "credit": {"Artist", "Copyright"},
            "camera": {"Artist", "Copyright", "Model"},
        }[policy]
    )
    assert inner == ({"FNumber"} if policy == "camera" else set())
    assert not found.get_ifd(GPS)
    assert b"secret" not in file
    assert b"12345" not in file


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("policy", ["none", "credit", "camera"])
def test_exiftool_finds_no_place_in_what_is_made_of_a_photo_full_of_them(
    policy: str, format: str, tmp_path: Path
) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    file = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "white").save(file)
    places = ["-GPSLatitude=23.5", "-GPSLatitudeRef=S", "-GPSLongitude=46.6", "-XMP-exif:GPSLatitude=23.5"]
    places += ["-IPTC:City=Curitiba", "-XMP-photoshop:City=Curitiba", "-XMP-iptcCore:Location=Centro"]
    command = [exiftool, "-q", "-overwrite_original", "-Artist=Ana", *places, str(file)]
    subprocess.run(command, check=True)

    def told(path: Path) -> str:
        command = [exiftool, "-json", "-G1", "-a", "-ee", "-u", str(path)]
        (found,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return json.dumps({key: value for key, value in found.items() if "System" not in key})

    assert all(place in told(file) for place in ("GPSLatitude", "Curitiba", "Centro"))
    photo = open_picture(file)
    made = tmp_path / f"made.{format}"
    picture = photo.convert("RGB")
    made.write_bytes(
        encode(picture, format, source_type="algorithmicallyEnhanced", exif=kept_exif(photo, policy))
    )
    found = told(made)
    assert not any(place in found for place in ("GPS", "Curitiba", "Centro"))
    assert ("Ana" in found) == (policy != "none")


def test_a_photo_without_exif_keeps_nothing() -> None:
    assert kept_exif(Image.new("RGB", (32, 32)), "camera") is None
