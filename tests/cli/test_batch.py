"""imagegen batch: a catalogue on the disk, and one table or one line to say so."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Imagegen = Callable[..., Any]
SAMPLES = Path(__file__).parents[2] / "samples"


def test_the_sample_catalogue_ends_with_a_table(
    imagegen: Imagegen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    ended = imagegen("batch", SAMPLES / "products.csv", "--out", out, "--limit", "2")
    assert (ended.code, ended.err) == (0, "")
    assert "seconds" in ended.out
    assert "2 pictures" in ended.out
    assert f"manifest: {out / 'manifest.csv'}\ngallery:  {out / 'gallery.html'}\n" in ended.out
    with (out / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["completed", "completed"]
    assert all(str(out / row["file"]) in ended.out for row in rows)


def test_the_samples_are_what_their_readme_says() -> None:
    with (SAMPLES / "products.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    assert len({row["id"] for row in rows}) == 16
    assert all(row["description"] for row in rows)
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in SAMPLES.iterdir() if path.is_file()} - {"README.md"}
    assert all(f"`{name}`" in readme for name in files)


def test_failed_rows_are_exit_code_11(imagegen: Imagegen, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,description\na,\nb,Belt\n")
    ended = imagegen("batch", tmp_path / "p.csv", "--out", tmp_path / "out", "--json")
    report = ended.json()
    assert ended.code == 11
    assert (report["total"], report["completed"], report["failed"]) == (2, 1, 1)
    assert report["error"]["code"] == "batch_incomplete"
    assert Path(report["manifest"]).is_file()
    assert Path(report["gallery"]).is_file()
    spoken = imagegen("batch", tmp_path / "p.csv", "--out", tmp_path / "out")
    assert spoken.code == 11
    assert "1 of 2 pictures failed" in spoken.err
    assert "description: is empty" in spoken.out


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("name,price\nbag,3\n", 5, "'name', 'price'"),
        ("", 5, "empty"),
        ("id,description\n", 5, "no products"),
        (None, 5, "cannot be read"),
    ],
)
def test_a_file_that_is_no_catalogue(
    imagegen: Imagegen, tmp_path: Path, content: str | None, code: int, message: str
) -> None:
    file = tmp_path / "p.csv"
    if content is not None:
        file.write_text(content)
    ended = imagegen("batch", file, "--out", tmp_path / "out", "--json")
    assert ended.code == code
    assert message in ended.json()["error"]["message"]
    assert ended.json()["error"]["field"] == str(file)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be(imagegen: Imagegen, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = imagegen("batch", SAMPLES / "products.csv", "--out", tmp_path / "file" / "out")
    assert ended.code == 6
    assert str(tmp_path / "file" / "out") in ended.err


def test_a_preset_decides_format_and_name_and_a_row_its_size(imagegen: Imagegen, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "id,description,size\nsofá_2,Sofa,201x201\ncup,Cup,100x100\n", encoding="utf-8"
    )
    out = tmp_path / "out"
    ended = imagegen("batch", tmp_path / "p.csv", "--out", out, "--preset", "vtex", "--json")
    assert (ended.code, ended.json()["completed"]) == (0, 2)
    sizes = {}
    for file in out.glob("*.jpg"):
        with Image.open(file) as picture:
            sizes[file.name] = (picture.format, picture.size)
    assert sizes == {"sof-2.jpg": ("JPEG", (201, 201)), "cup.jpg": ("JPEG", (100, 100))}


@pytest.mark.parametrize(
    "options", [["--variants", "0"], ["--template", "{nothing}"], ["--columns", "id"], ["--preset", "nobody"]]
)
def test_options_are_checked_before_anything_runs(
    imagegen: Imagegen, tmp_path: Path, options: list[str]
) -> None:
    ended = imagegen("batch", SAMPLES / "products.csv", "--out", tmp_path / "out", *options, "--json")
    assert ended.code == 2
    assert ended.json()["error"]["field"] == options[0].removeprefix("--")
    assert not (tmp_path / "out").exists()


def test_a_folder_is_needed_and_resume_wants_one_with_a_batch(imagegen: Imagegen, tmp_path: Path) -> None:
    ended = imagegen("batch", SAMPLES / "products.csv", "--json")
    assert (ended.code, ended.json()["error"]["field"]) == (2, "out")
    ended = imagegen("batch", SAMPLES / "products.csv", "--out", tmp_path, "--resume")
    assert ended.code == 2
    assert "no batch to go on with" in ended.err


def test_a_preview_shows_prompts_and_makes_nothing(imagegen: Imagegen, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "Handle;Title;Body (HTML)\nbag;Bolsa de m?o;<p>Couro</p>\nhat;Chapéu;\n", encoding="utf-8"
    )
    ended = imagegen("batch", tmp_path / "p.csv", "--preview", "1", "--json")
    seen = ended.json()
    assert ended.code == 0
    assert (seen["dialect"], seen["total"], seen["warned"], seen["failed"]) == ("shopify-legacy", 2, 1, 0)
    (first,) = seen["pictures"]
    assert (first["id"], first["prompt"]) == ("bag", "Bolsa de m?o, Couro")
    assert "m?o" in first["warnings"][0]
    spoken = imagegen("batch", tmp_path / "p.csv", "--preview", "5", "--template", "{title} branco")
    assert "Chapéu branco" in spoken.out
    assert "shopify-legacy, 2 pictures" in spoken.out
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_several_presets_from_one_generation_and_a_csv_for_the_shop(
    imagegen: Imagegen, tmp_path: Path
) -> None:
    (tmp_path / "p.csv").write_text(
        "Handle,Title,Option1 Name,Option1 Value,Image Src\nbag,Bag,Color,Red,\nbag,,,Blue,\n"
    )
    out = tmp_path / "out"
    options = [
        "--each-color",
        "--preset",
        "shopify",
        "--preset",
        "ebay",
        "--image-url",
        "https://cdn.example/",
    ]
    ended = imagegen("batch", tmp_path / "p.csv", "--out", out, *options, "--json")
    assert (ended.code, ended.json()["completed"]) == (0, 2)
    with (out / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["preset"], line["color"]) for line in lines] == [
        ("shopify", "Red"),
        ("ebay", "Red"),
        ("shopify", "Blue"),
        ("ebay", "Blue"),
    ]
    assert all((out / line["file"]).is_file() for line in lines)
    with (out / "shop.csv").open(newline="") as file:
        images = [row["Image Src"] for row in csv.DictReader(file)]
    assert images == ["https://cdn.example/bag-Red.jpg", "https://cdn.example/bag-Blue.jpg"]
    assert not (out / ".generated").exists()
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/*.jpg")}
    again = imagegen("batch", tmp_path / "p.csv", "--out", out, *options, "--resume", "--json")
    assert again.json()["completed"] == 2
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*.jpg")} == written
