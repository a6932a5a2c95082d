"""imagegen finish: photos in, finished pictures out."""

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
    file = tmp_path / "photos" / "blue box.jpg"
    file.parent.mkdir()
    picture.save(file, quality=95)
    return file


def test_a_photo_is_finished_on_the_canvas_asked_for(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = imagegen("finish", photo, "--out", out, "--size", "160x128", "--background", "#00ff00")
    assert (ended.code, ended.out) == (0, f"{photo} -> {out / 'blue-box.png'}\n")
    with Image.open(out / "blue-box.png") as picture:
        assert picture.size == (160, 128)
        assert picture.convert("RGB").getpixel((0, 0)) == (0, 255, 0)


def test_the_same_name_from_two_folders_is_kept_apart(
    imagegen: Imagegen, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "blue box.jpg"
    other.write_bytes(photo.read_bytes())
    ended = imagegen("finish", photo, other, "--out", tmp_path / "out", "--json")
    made = ended.json()["pictures"]
    assert [Path(entry["file"]).name for entry in made] == ["blue-box.png", "blue-box-2.png"]
    assert [entry["source"] for entry in made] == [str(photo), str(other)]
    assert made[0]["report"]


def test_one_bad_photo_does_not_stop_the_others(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(photo.read_bytes()[:300])
    ended = imagegen("finish", bad, photo, "--out", tmp_path / "out", "--json")
    result = ended.json()
    assert (ended.code, result["error"]["exit_code"]) == (11, 11)
    assert [entry["source"] for entry in result["failed"]] == [str(bad)]
    assert result["failed"][0]["error"]["field"] == str(bad)
    assert [path.name for path in (tmp_path / "out").glob("*.*")] == ["blue-box.png"]
    spoken = imagegen("finish", bad, photo, "--out", tmp_path / "out")
    assert spoken.code == 11
    assert str(bad) in spoken.err


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("missing.png", "--out", "out"), 5, "missing.png"),
        (("empty.png", "--out", "out"), 5, "empty.png"),
        (("photos/blue box.jpg", "--out", "empty.png/out"), 6, "empty.png/out"),
        (("photos/blue box.jpg", "--out", "out", "--background", "mauve"), 2, "background"),
        (("photos/blue box.jpg", "--out", "out", "--size", "5x5"), 2, "size"),
    ],
)
def test_what_cannot_be_finished_is_named(
    imagegen: Imagegen,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    field: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.png").write_bytes(b"")
    ended = imagegen("finish", *arguments, "--json")
    assert ended.code == code
    assert field in ended.json()["error"]["field"]
    assert not Path("out").exists()


def test_a_preset_decides_size_format_and_name(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    ended = imagegen("finish", photo, "--out", tmp_path / "out", "--preset", "vtex", "--json")
    (made,) = ended.json()["pictures"]
    assert (ended.code, Path(made["file"]).name) == (0, "blue-box.jpg")
    assert made["recipe"]["preset"] == "vtex"
    assert (made["check"]["verdict"], made["check"]["preset"]) == ("pass", "vtex")
    with Image.open(made["file"]) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1000, 1000))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--preset", "amazn"), "preset"),
        (("--preset", "zalando", "--background", "transparent"), "background"),
    ],
)
def test_a_preset_that_cannot_be_kept_is_refused(
    imagegen: Imagegen, photo: Path, tmp_path: Path, arguments: tuple[str, ...], field: str
) -> None:
    ended = imagegen("finish", photo, "--out", tmp_path / "out", *arguments, "--json")
    assert (ended.code, ended.json()["error"]["field"]) == (2, field)


def test_what_breaks_a_rule_of_the_preset_is_written_and_reported(
    imagegen: Imagegen, photo: Path, tmp_path: Path
) -> None:
    arguments = ("--preset", "amazon", "--background", "#dddddd", "--size", "600x600")
    ended = imagegen("finish", photo, "--out", tmp_path / "out", *arguments)
    assert ended.code == 1
    assert "blue-box.MAIN.jpg: FAIL for amazon" in ended.out
    assert "#dddddd" in ended.out
    assert (tmp_path / "out" / "blue-box.MAIN.jpg").is_file()


def test_every_picture_has_a_report_from_which_it_can_be_made_again(
    imagegen: Imagegen, photo: Path, tmp_path: Path
) -> None:
    options = ("--preset", "vtex", "--background", "#fefefe", "--recipe", "faithful")
    assert imagegen("finish", photo, "--out", tmp_path / "first", *options).code in (0, 1)
    report = tmp_path / "first" / "reports" / "blue-box.jpg.json"
    told = json.loads(report.read_text())
    assert (told["source"], told["file"]) == ("blue box.jpg", "blue-box.jpg")
    assert [step["name"] for step in told["report"]["steps"]] == ["intake", "cutout", "canvas"]
    again = imagegen("finish", photo, "--out", tmp_path / "again", "--recipe", report)
    assert again.code in (0, 1)
    assert (tmp_path / "again" / "blue-box.jpg").read_bytes() == (
        tmp_path / "first" / "blue-box.jpg"
    ).read_bytes()


def test_several_presets_from_one_photo(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = imagegen("finish", photo, "--out", out, "--preset", "amazon", "--preset", "vtex", "--json")
    assert ended.code == 0
    assert [(made["file"], made["check"]["preset"]) for made in ended.json()["pictures"]] == [
        (str(out / "amazon" / "blue-box.MAIN.jpg"), "amazon"),
        (str(out / "vtex" / "blue-box.jpg"), "vtex"),
    ]


def test_a_recipe_of_ones_own(imagegen: Imagegen, photo: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("recipe: 1\nsteps: [cutout, {canvas: {background: '#203040', width: 64, height: 48}}]")
    assert imagegen("finish", photo, "--out", tmp_path / "out", "--recipe", mine).code == 0
    with Image.open(tmp_path / "out" / "blue-box.png") as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((64, 48), (0x20, 0x30, 0x40))
    mine.write_text("recipe: 1\nsteps: [{canvas: {fil: 0.5}}]")
    refused = imagegen("finish", photo, "--out", tmp_path / "out", "--recipe", mine, "--json")
    assert (refused.code, refused.json()["error"]["field"]) == (2, "steps[0].canvas.fil")
