from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagegen_postprocess import ModelFileMissing, Recipe, RecipeInvalid, finish
from imagegen_postprocess.background.models import Models
from imagegen_postprocess.background.rembg import find_model_file
from tests.imagegen_postprocess.drawn import bag, photograph

HOMES = ("U2NET_HOME", "REMBG_HOME", "XDG_DATA_HOME", "HOME")


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model of the machine's owner is found by accident."""
    for name in HOMES[:-1]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def put(path: Path, content: bytes = b"not a network") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_missing_file_is_refused_with_the_place_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match=r"put u2net\.onnx into") as refusal:
        finish(photograph(bag(64)), Recipe(cutout="u2net"), models=Models(tmp_path))
    assert refusal.value.field == "cutout"
    assert str(tmp_path) in str(refusal.value)
    assert "downloaded" in str(refusal.value)


def test_the_given_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = put(tmp_path / "theirs" / "u2netp.onnx")
    monkeypatch.setenv("U2NET_HOME", str(theirs.parent))
    assert find_model_file("u2netp", None) == theirs
    assert find_model_file("u2netp", tmp_path) == theirs
    mine = put(tmp_path / "u2netp.onnx")
    assert find_model_file("u2netp", tmp_path) == mine


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("U2NET_HOME", "silueta.onnx"),
        ("U2NET_HOME", "models/silueta/silueta.onnx"),
        ("REMBG_HOME", "models/silueta/silueta.onnx"),
        ("XDG_DATA_HOME", "rembg/models/silueta/silueta.onnx"),
        ("XDG_DATA_HOME", ".u2net/silueta.onnx"),
        ("HOME", ".rembg/models/silueta/silueta.onnx"),
        ("HOME", ".u2net/silueta.onnx"),
    ],
)
def test_models_are_found_where_rembg_keeps_them(
    variable: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    expected = put(tmp_path / place)
    assert find_model_file("silueta", None) == expected


def test_a_given_u2net_home_is_the_only_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "home" / ".u2net" / "silueta.onnx")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "empty"))
    with pytest.raises(ModelFileMissing):
        find_model_file("silueta", None)


@pytest.mark.parametrize("missing", ["onnxruntime", "rembg"])
def test_a_missing_package_is_refused_by_name(missing: str, tmp_path: Path) -> None:
    put(tmp_path / "u2netp.onnx")
    # Without onnxruntime rembg itself ends the process, so it must not even be imported then.
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from pathlib import Path; from PIL import Image\n"
        "from imagegen_postprocess import DependencyMissing, Recipe, finish\n"
        "from imagegen_postprocess import Models\n"
        "try:\n"
        "    picture = Image.new('RGB', (32, 32))\n"
        f"    finish(picture, Recipe('u2netp'), models=Models(Path({str(tmp_path)!r})))\n"
        "except DependencyMissing as error:\n"
        "    print(error.field, '|', error, '|', type(error.__cause__).__name__)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert ran.stdout.startswith("cutout | the cut-out model 'u2netp' needs " + missing)
    assert "Install" in ran.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_real_model_cuts_out_a_real_photo_without_a_network(shared_data: Path, tmp_path: Path) -> None:
    """One test for all that needs rembg: its first import takes tens of seconds."""
    with Image.open(shared_data / "cutouts" / "036.jpg") as photo:
        result = finish(
            photo, Recipe(cutout="u2netp", background="transparent"), models=Models(shared_data / "weights")
        )
    report = result.report["cutout"]
    assert report.applied
    assert report.detail["method"] == "u2netp"
    alpha = np.asarray(result.picture)[..., 3]
    assert 0.2 < (alpha > 127).mean() < 0.9

    put(tmp_path / "silueta.onnx")
    with pytest.raises(ModelFileMissing, match="cannot be loaded"):
        finish(photograph(bag(64)), Recipe(cutout="silueta"), models=Models(tmp_path))

    for unfit in ("atlascloud", "sam", "u2net_custom", "invented"):
        put(tmp_path / f"{unfit}.onnx")
        with pytest.raises(RecipeInvalid, match=r"It knows: .*u2netp") as refusal:
            finish(photograph(bag(64)), Recipe(cutout=unfit), models=Models(tmp_path, non_commercial=True))
        assert refusal.value.field == "cutout"
