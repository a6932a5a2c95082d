"""imagegen generate: what is asked for is what lies on the disk, and what is wrong leaves nothing there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Imagegen = Callable[..., Any]


def test_a_description_becomes_a_file(imagegen: Imagegen, tmp_path: Path) -> None:
    file = tmp_path / "new" / "bag.webp"
    ended = imagegen("generate", "red bag", "-o", file, "--size", "100x80", "--seed", "7")
    assert (ended.code, ended.err.count("\n")) == (0, 1)
    assert ended.out == f"{file}  100x80, seed 7\n"
    assert "resampled" in ended.err
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("WEBP", (100, 80))
    assert [path.name for path in file.parent.iterdir()] == ["bag.webp"]


def test_several_pictures_are_numbered_and_reported_in_one_line(imagegen: Imagegen, tmp_path: Path) -> None:
    file = tmp_path / "bag.png"
    made = imagegen(
        "generate", "red bag", "-o", file, "--n", "5", "--seed", "7", "--no-finish", "--json"
    ).json()
    names = [str(tmp_path / f"bag-{i}.png") for i in range(1, 6)]
    assert [entry["file"] for entry in made["pictures"]] == names
    assert [entry["request"]["seed"] for entry in made["pictures"]] == [7, 8, 9, 10, 11]
    assert not file.exists()
    assert made["seconds"] > 0
    again = imagegen("generate", "red bag", "-o", file, "--seed", "9", "--no-finish", "--json").json()
    assert again["pictures"][0]["provenance"] == {
        **made["pictures"][2]["provenance"],
        "created": again["pictures"][0]["provenance"]["created"],
    }
    assert file.read_bytes() == (tmp_path / "bag-3.png").read_bytes()


def test_an_existing_file_is_replaced(imagegen: Imagegen, tmp_path: Path) -> None:
    file = tmp_path / "bag.png"
    file.write_text("old")
    assert imagegen("generate", "bag", "-o", file, "--steps", "1", "--no-finish").code == 0
    with Image.open(file) as picture:
        picture.load()


def test_the_background_is_the_one_asked_for(imagegen: Imagegen, tmp_path: Path) -> None:
    file = tmp_path / "bag.png"
    assert imagegen("generate", "bag", "-o", file, "--steps", "1", "--background", "transparent").code == 0
    with Image.open(file) as picture:
        assert picture.mode == "RGBA"


PROMPT = ("generate", "red bag", "-o", "bag.png")


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("generate", "", "-o", "bag.png"), 2, "prompt"),
        (("generate", "  \n", "-o", "bag.png"), 2, "prompt"),
        (("generate", "x" * 40_000, "-o", "bag.png"), 2, "prompt"),
        ((*PROMPT, "--size", "0"), 2, "size"),
        ((*PROMPT, "--size", "0x0"), 2, "size"),
        ((*PROMPT, "--size", "17x16"), 2, "size"),
        ((*PROMPT, "--size", "1000000x16"), 2, "size"),
        ((*PROMPT, "--size", "72x64", "--no-finish", "--model", "{fixed}"), 2, "size"),
        ((*PROMPT, "--steps", "0"), 2, "steps"),
        ((*PROMPT, "--steps", "101"), 2, "steps"),
        ((*PROMPT, "--seed", "-1"), 2, "seed"),
        ((*PROMPT, "--n", "0"), 2, "n"),
        ((*PROMPT, "--background", "mauve"), 2, "background"),
        ((*PROMPT, "--background", "white", "--no-finish"), 2, "background"),
        ((*PROMPT, "--model", "nobody"), 3, "model"),
        ((*PROMPT, "--model", "{truncated}"), 4, "{truncated}"),
        (("generate", "bag", "-o", "bag.gif"), 2, "output"),
        (("generate", "bag", "-o", "bag"), 2, "output"),
        (("generate", "bag", "-o", "bag.jpg", "--background", "transparent"), 2, "output"),
        (("generate", "bag", "-o", "file/bag.png"), 6, "file/bag.png"),
        (("generate", "bag", "-o", "folder.png"), 6, "folder.png"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    imagegen: Imagegen,
    tmp_path: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    field: str,
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").write_text("")
    (place / "folder.png").mkdir()
    monkeypatch.chdir(place)
    models = {name: str(tmp_path / name) for name in ("fixed", "truncated")}
    used = [name for name in models if any(f"{{{name}}}" in argument for argument in arguments)]
    for name in used:
        shutil.copytree(tiny_checkpoint, models[name])
    if "truncated" in used:
        weights = Path(models["truncated"], "transformer", "diffusion_pytorch_model.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1000])
    if "fixed" in used:
        give_fixed_sizes(Path(models["fixed"]))
    asked = [argument.format_map(models) if argument.startswith("{") else argument for argument in arguments]
    ended = imagegen(*asked, "--json")
    fault = ended.json()["error"]
    assert (ended.code, fault["exit_code"]) == (code, code)
    assert field.format_map(models) in fault["field"]
    assert fault["message"]
    assert ended.err == ""
    assert sorted(path.name for path in place.rglob("*")) == ["file", "folder.png"]


def give_fixed_sizes(model: Path) -> None:
    import json

    file = model / "imagegen.json"
    own = json.loads(file.read_text())
    file.write_text(json.dumps({**own, "sizes": [[64, 64]]}))


def test_without_json_the_same_is_said_in_words(imagegen: Imagegen, tmp_path: Path) -> None:
    ended = imagegen("generate", "bag", "-o", tmp_path / "bag.png", "--size", "0x0")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("imagegen: size: each side must be")


def test_a_preset_decides_which_formats_there_are(imagegen: Imagegen, tmp_path: Path) -> None:
    file = tmp_path / "bag.jpg"
    assert imagegen("generate", "bag", "-o", file, "--preset", "vtex", "--size", "1001x1001").code == 0
    with Image.open(file) as picture:
        assert picture.size == (1001, 1001)
    refused = imagegen("generate", "bag", "-o", tmp_path / "bag.webp", "--preset", "amazon", "--json")
    assert (refused.code, refused.json()["error"]["field"]) == (2, "output")


def test_a_marketplace_that_forbids_generated_pictures_is_named(imagegen: Imagegen, tmp_path: Path) -> None:
    file = tmp_path / "bag.jpg"
    made = imagegen("generate", "bag", "-o", file, "--preset", "etsy", "--size", "701x701", "--json").json()
    (picture,) = made["pictures"]
    assert any("Etsy: generated pictures are forbidden" in warning for warning in picture["warnings"])
    (finding,) = [each for each in picture["check"]["findings"] if each["measure"] == "generated"]
    assert (finding["status"], finding["value"]) == ("warn", True)


@pytest.fixture
def shoe(tmp_path: Path) -> Path:
    Image.effect_noise((96, 64), 80).convert("RGB").save(tmp_path / "shoe.jpg")
    return tmp_path / "shoe.jpg"


def test_a_photo_to_start_from_and_one_to_look_at(imagegen: Imagegen, tmp_path: Path, shoe: Path) -> None:
    def made(*options: object) -> dict[str, Any]:
        file = tmp_path / "made.png"
        asked = ("generate", "red shoe", "-o", file, "--seed", "7", "--no-finish", "--json", *options)
        found: dict[str, Any] = imagegen(*asked).json()["pictures"][0]
        return {**found, "pixels": Image.open(file).tobytes()}

    plain = made()
    start = made("--image", shoe, "--strength", "0.3", "--size", "64x64", "--fit", "crop")
    look = made("--reference", shoe, "--reference", shoe, "--size", "64x64")
    assert len({each["pixels"] for each in (plain, start, look)}) == 3
    assert start["request"]["strength"] == 0.3
    assert len(look["request"]["references"]) == 2
    assert any("cropped" in warning for warning in start["warnings"])
    types = [each["provenance"]["digital_source_type"] for each in (plain, start, look)]
    assert types == ["trainedAlgorithmicMedia", *["compositeWithTrainedAlgorithmicMedia"] * 2]


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        (("--image", "none.jpg"), 5, "none.jpg"),
        (("--image", "words.txt"), 5, "words.txt"),
        (("--strength", "0.5"), 2, "strength"),
        (("--image", "{shoe}", "--strength", "7"), 2, "strength"),
        (("--image", "{shoe}", "--fit", "squeeze"), 2, "fit"),
        (("--reference", "{shoe}", "--model", "starter"), 2, "model"),
        (("--reference", "{shoe}") * 5, 2, "references"),
    ],
)
def test_photos_that_cannot_be_used_are_named(
    imagegen: Imagegen,
    tmp_path: Path,
    shoe: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    code: int,
    field: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("no picture")
    asked = [option.format(shoe=shoe) for option in options]
    ended = imagegen("generate", "red shoe", "-o", "made.png", "--json", *asked)
    assert (ended.code, ended.json()["error"]["field"]) == (code, field)
    assert not (tmp_path / "made.png").exists()
