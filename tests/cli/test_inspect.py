"""imagegen inspect: what a file is and says of itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagegen_postprocess import encode

Imagegen = Callable[..., Any]


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    file = tmp_path / "made.webp"
    file.write_bytes(encode(Image.new("RGB", (64, 48)), "webp", source_type="trainedAlgorithmicMedia"))
    return file


def test_it_shows_what_the_file_says(imagegen: Imagegen, generated: Path) -> None:
    ended = imagegen("inspect", generated)
    assert ended.code == 0
    for line in ("webp", "64x48", "sRGB", "trainedAlgorithmicMedia (made by a model)", "no manifest"):
        assert line in ended.out


def test_one_line_for_programs(imagegen: Imagegen, generated: Path) -> None:
    facts = imagegen("inspect", generated, "--json").json()
    assert (facts["source_type"], facts["c2pa"], facts["gps"]) == ("trainedAlgorithmicMedia", False, False)
    assert facts["credentials"] is None
    assert facts["watermark"]["found"] is False


def test_what_was_signed_on_this_machine_is_known_to_it(
    imagegen: Imagegen, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEGEN_CONTENT_CREDENTIALS", "true")
    monkeypatch.setenv("IMAGEGEN_DATA_DIR", str(tmp_path / "data"))
    assert imagegen("finish", generated, "--out", tmp_path, "--size", "512x512").code == 0
    told = imagegen("inspect", tmp_path / "made.png", "--json").json()
    assert (told["credentials"]["state"], told["c2pa"]) == ("trusted", True)
    assert "signed by a certificate known here" in imagegen("inspect", tmp_path / "made.png").out
    monkeypatch.setenv("IMAGEGEN_DATA_DIR", str(tmp_path / "elsewhere"))
    told = imagegen("inspect", tmp_path / "made.png", "--json").json()
    assert told["credentials"]["state"] == "valid"


def test_finishing_a_signed_photo_names_it(
    imagegen: Imagegen, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEGEN_CONTENT_CREDENTIALS", "true")
    monkeypatch.setenv("IMAGEGEN_DATA_DIR", str(tmp_path / "data"))
    assert imagegen("finish", generated, "--out", tmp_path / "once").code == 0
    assert imagegen("finish", tmp_path / "once" / "made.png", "--out", tmp_path / "twice").code == 0
    told = imagegen("inspect", tmp_path / "twice" / "made.png", "--json").json()["credentials"]
    assert told["state"] == "trusted"
    assert [made.split()[0] for made in told["made_from"]] == ["imagegen"]
    assert "made from a file of imagegen" in imagegen("inspect", tmp_path / "twice" / "made.png").out


def test_a_photo_keeps_no_place_and_a_generated_picture_keeps_its_mark(
    imagegen: Imagegen, generated: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "S"
    exif.get_ifd(0x8825)[2] = (23.0, 33.0, 1.0)
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "white").save(photo, exif=exif)
    assert imagegen("inspect", photo, "--json").json()["gps"]
    assert imagegen("finish", photo, generated, "--out", tmp_path / "out").code == 0
    for name, origin in (("photo.png", "algorithmicallyEnhanced"), ("made.png", "trainedAlgorithmicMedia")):
        facts = imagegen("inspect", tmp_path / "out" / name, "--json").json()
        assert (facts["source_type"], facts["exif"], facts["gps"]) == (origin, False, False)


def test_what_is_no_picture_is_named(imagegen: Imagegen, tmp_path: Path) -> None:
    ended = imagegen("inspect", tmp_path / "none.png", "--json")
    assert (ended.code, ended.json()["error"]["field"]) == (5, str(tmp_path / "none.png"))
