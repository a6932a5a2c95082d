"""imagegen cutout: photos in, transparent pictures of their size out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Imagegen = Callable[..., Any]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (120, 90), (236, 236, 232))
    picture.paste((40, 60, 160), (40, 25, 80, 65))
    file = tmp_path / "blue box.jpg"
    picture.save(file, quality=95)
    return file


def test_a_photo_is_cut_out_at_its_size(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    ended = imagegen("cutout", photo, "--out", tmp_path / "out")
    assert ended.code == 0
    assert ended.out.startswith(f"{photo} -> {tmp_path / 'out' / 'blue-box.png'} (plain, confidence ")
    with Image.open(tmp_path / "out" / "blue-box.png") as picture:
        assert (picture.mode, picture.size) == ("RGBA", (120, 90))
        assert picture.getpixel((0, 0)) == (0, 0, 0, 0)
        assert picture.getpixel((60, 45))[3] == 255  # type: ignore[index]


def test_json_says_how_sure_it_is_and_what_failed(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    white = tmp_path / "white.png"
    Image.new("RGB", (80, 80), "white").save(white)
    ended = imagegen("cutout", photo, white, "--out", tmp_path / "out", "--json")
    result = ended.json()
    assert ended.code == 11
    (picture,) = result["pictures"]
    assert (picture["method"], picture["review"]) == ("plain", False)
    assert 0 <= picture["confidence"] <= 1
    assert result["review"] == []
    assert result["failed"][0]["source"] == result["failed"][0]["error"]["field"] == str(white)


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("missing.png", "--out", "out"), 5, "missing.png"),
        (("blue box.jpg",), 2, "out"),
        (("--out", "out"), 2, "files"),
        (("blue box.jpg", "--out", "out", "--model", "u2net"), 9, "cutout"),
        (("blue box.jpg", "--out", "out", "--model", "bria-rmbg"), 2, "cutout"),
    ],
)
def test_what_cannot_be_cut_out_is_named(
    imagegen: Imagegen,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    field: str,
) -> None:
    monkeypatch.chdir(photo.parent)
    for name in ("U2NET_HOME", "REMBG_HOME"):
        monkeypatch.setenv(name, str(photo.parent / "empty"))
    ended = imagegen("cutout", *arguments, "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, error["field"]) == (code, field)


def test_models_are_listed_with_their_licences(imagegen: Imagegen) -> None:
    listed = {
        model["name"]: model for model in imagegen("cutout", "--list-models", "--json").json()["models"]
    }
    assert listed["bundled"]["present"]
    assert listed["bundled"]["allowed"]
    assert not listed["bria-rmbg"]["allowed"]
    assert "Apache-2.0" in imagegen("cutout", "--list-models").out
