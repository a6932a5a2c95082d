from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_postprocess.background.network import (
    CLOSE_SIDE,
    LEAST,
    MOST,
    WEIGHTS,
    coverage,
    coverage_on_sheet,
    expected_overlap,
    seen_size,
)
from imagegen_postprocess.background.sheet import look_behind
from tests.imagegen_postprocess.drawn import bag, photograph
from tests.imagegen_postprocess.textured import before_a_texture


@given(st.integers(16, 9000), st.integers(16, 9000))
def test_what_the_network_sees_has_a_size_that_it_takes(width: int, height: int) -> None:
    across, down = seen_size(width, height)
    assert across % 32 == down % 32 == 0
    assert LEAST <= min(across, down) <= max(across, down) <= MOST


@given(st.integers(200, 4000), st.floats(0.5, 2.0))
def test_the_proportions_stay(height: int, shape: float) -> None:
    across, down = seen_size(round(height * shape), height)
    assert across / down == pytest.approx(shape, rel=0.2)


def test_a_product_before_a_texture_is_found() -> None:
    picture, alpha = before_a_texture(bag(320))
    found = coverage(picture, 1) > 0.5
    truth = alpha > 0.5
    assert found.shape == truth.shape == (320, 320)
    assert (found & truth).sum() / (found | truth).sum() > 0.85


def test_a_product_on_a_sheet_is_seen_at_more_pixels_where_it_has_them() -> None:
    for side, seen in ((256, 320), (400, 384), (900, CLOSE_SIDE)):
        product = bag(side)
        pixels = np.asarray(photograph(product, (246, 246, 246), seed=3))
        found = coverage_on_sheet(pixels, look_behind(pixels), 1) > 0.5
        truth = cv2.resize(product.alpha, (seen, seen), interpolation=cv2.INTER_AREA) > 0.5
        assert found.shape == (seen, seen)
        assert (found & truth).sum() / (found | truth).sum() > 0.9


def test_all_bundled_networks_stay_small() -> None:
    files = list(WEIGHTS.glob("*.onnx"))
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) < 6_000_000


def test_the_expected_overlap_falls_with_doubt() -> None:
    square = np.zeros((64, 64), np.float32)
    square[16:48, 16:48] = 1
    assert expected_overlap(square) == 1
    assert expected_overlap(np.where(square > 0, 0.8, 0.1).astype(np.float32)) < 0.8
    assert expected_overlap(np.zeros((64, 64), np.float32)) == 0


def test_plain_pictures_need_no_onnxruntime() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "import numpy as np; from PIL import Image\n"
        "from imagegen_postprocess import DependencyMissing, Recipe, finish\n"
        "white = np.full((96, 96, 3), 240, np.uint8); white[30:60, 30:60] = (40, 60, 160)\n"
        "print(finish(Image.fromarray(white), Recipe()).report['cutout'].detail['method'])\n"
        "noise = np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8)\n"
        "try:\n"
        "    finish(Image.fromarray(noise), Recipe())\n"
        "except DependencyMissing as error:\n"
        "    print(error.field, error.hint)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("plain\ncutout Install imagegen[cpu]")


def test_the_network_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    """onnxruntime reports to its maker by itself, and keeps what it has not sent yet in the home folder."""
    code = (
        "import numpy as np; from imagegen_postprocess.background.network import coverage\n"
        "coverage(np.zeros((96, 96, 3), np.uint8), 1)\n"
    )
    quiet = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=quiet | home, check=True)
    assert list(tmp_path.rglob("*onnxruntime*")) == []
