"""imagegen check: the verdict is the exit code, and every limit is shown with its source's confidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Imagegen = Callable[..., Any]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (700, 700), "white")
    picture.paste((40, 60, 160), (70, 100, 630, 600))
    file = tmp_path / "good.jpg"
    picture.save(file, quality=95)
    return file


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (700, 700), (200, 200, 200))
    picture.paste((40, 60, 160), (70, 100, 630, 600))
    file = tmp_path / "grey.png"
    picture.save(file)
    return file


def test_the_verdict_is_the_exit_code(imagegen: Imagegen, good: Path, grey: Path) -> None:
    passed, failed = (imagegen("check", file, "--preset", "tiktok") for file in (good, grey))
    assert (passed.code, failed.code) == (0, 1)
    assert f"{good}: PASS for tiktok" in passed.out
    assert f"{grey}: FAIL for tiktok" in failed.out
    assert "#c8c8c8" in failed.out
    assert "required, B" in failed.out


def test_one_line_for_programs(imagegen: Imagegen, good: Path, grey: Path) -> None:
    ended = imagegen("check", good, grey, "--preset", "tiktok", "--json")
    result = ended.json()
    assert (ended.code, result["verdict"]) == (1, "fail")
    assert [entry["verdict"] for entry in result["files"]] == ["pass", "fail"]
    (finding,) = [f for f in result["files"][1]["findings"] if f["status"] == "fail"]
    assert (finding["measure"], finding["value"], finding["equals"]) == ("background", "#c8c8c8", "#ffffff")
    assert finding["sources"]
    assert finding["fix"]


def test_a_file_that_is_no_picture_does_not_stop_the_others(
    imagegen: Imagegen, good: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:200])
    alone = imagegen("check", bad, "--preset", "tiktok", "--json")
    assert (alone.code, alone.json()["error"]["field"]) == (5, str(bad))
    ended = imagegen("check", bad, good, "--preset", "tiktok", "--json")
    assert (ended.code, len(ended.json()["files"])) == (11, 1)
    missing = imagegen("check", tmp_path / "none.png", "--preset", "tiktok", "--json")
    assert (missing.code, missing.json()["error"]["field"]) == (5, str(tmp_path / "none.png"))


def test_an_unknown_preset_is_refused_with_the_known_ones(imagegen: Imagegen, good: Path) -> None:
    ended = imagegen("check", good, "--preset", "amazn")
    assert ended.code == 2
    assert "amazon" in ended.err
