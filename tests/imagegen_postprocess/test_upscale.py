"""Upscaling by a network: tiny ones whose right answers are known, in files that the tests write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imagegen_postprocess import FinishingError, ModelFileMissing, ModelNotAllowed, Recipe, finish
from imagegen_postprocess.background.models import Models
from imagegen_postprocess.canvas import enlarge as enlarging
from imagegen_postprocess.canvas.enlarge import enlarge
from imagegen_postprocess.canvas.place import place
from imagegen_postprocess.canvas.upscale import MARGIN, TILE, factor_of, upscale
from imagegen_postprocess.canvas.upscalers import find_upscaler
from imagegen_postprocess.subject import Pixels, Subject
from tests.imagegen_postprocess.drawn import bag, photograph

NAME = "realesrgan-x2plus"


def write_network(path: Path, factor: int = 2, side: int | None = None, dtype: Any = np.float32) -> Path:
    """A network that blurs by a box of 5 x 5 pixels and repeats each pixel `factor` times both ways.

    The blur needs its surroundings, so a seam between tiles would show. side: of the one input that it takes;
    None: any.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = np.zeros((3 * factor**2, 3, 5, 5), dtype)
    for copy in range(factor**2):
        for channel in range(3):
            weights[3 * copy + channel, channel] = 1 / 25  # DepthToSpace (DCR): blocks first, channels last
    kind = TensorProto.FLOAT if dtype == np.float32 else TensorProto.FLOAT16
    sides: list[int | str] = ["height", "width"] if side is None else [side, side]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "weights"], ["deep"], pads=[2, 2, 2, 2]),
            helper.make_node("DepthToSpace", ["deep"], ["larger"], blocksize=factor),
        ],
        "blur and repeat",
        [helper.make_tensor_value_info("pixels", kind, [1, 3, *sides])],
        [helper.make_tensor_value_info("larger", kind, [1, 3, "down", "across"])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, str(path))
    return path


def answer(pixels: Pixels, factor: int) -> Pixels:
    """What the network above gives for a whole picture that goes on beyond its border."""
    blurred = cv2.blur(pixels.astype(np.float32), (5, 5), borderType=cv2.BORDER_REPLICATE)
    return np.rint(blurred).astype(np.uint8).repeat(factor, 0).repeat(factor, 1)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(TILE - 2 * MARGIN, 40), (2 * TILE + 5, TILE + 1), (17, 19)])
@pytest.mark.parametrize("factor", [2, 4])
def test_tiles_fit_together_without_a_seam(tmp_path: Path, size: tuple[int, int], factor: int) -> None:
    network = write_network(tmp_path / "x.onnx", factor)
    pixels = noise(*size)
    larger = upscale(pixels, network)
    assert larger.shape == (factor * size[0], factor * size[1], 3)
    assert np.abs(larger.astype(int) - answer(pixels, factor)).max() <= 1


@pytest.mark.parametrize(("side", "dtype"), [(64, np.float32), (48, np.float16)])
def test_a_network_of_one_size_gets_tiles_of_that_size(tmp_path: Path, side: int, dtype: Any) -> None:
    network = write_network(tmp_path / "x.onnx", 2, side, dtype)
    pixels = noise(100, 130)
    assert np.abs(upscale(pixels, network).astype(int) - answer(pixels, 2)).max() <= 1
    assert factor_of(network) == 2


def test_the_network_sees_one_tile_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imagegen_postprocess.canvas.upscale import Network

    network = write_network(tmp_path / "x.onnx")
    seen: list[tuple[int, ...]] = []
    enlarged = Network.enlarged

    def watched(self: Network, tile: Pixels) -> Pixels:
        seen.append(tile.shape)
        return enlarged(self, tile)

    monkeypatch.setattr(Network, "enlarged", watched)
    upscale(noise(700, 500), network)
    assert set(seen) == {(TILE, TILE, 3)}
    assert len(seen) >= 5 * 4


@pytest.mark.parametrize(
    ("content", "said"), [(b"no network", "cannot be loaded"), (b"", "cannot be loaded")]
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    broken = tmp_path / "x.onnx"
    broken.write_bytes(content)
    with pytest.raises(ModelFileMissing, match=said) as refusal:
        upscale(noise(20, 20), broken)
    assert refusal.value.field == "upscaler"
    assert str(broken) in str(refusal.value)


def test_a_network_that_does_not_enlarge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="makes"):
        upscale(noise(20, 20), write_network(tmp_path / "x.onnx", 1))


def test_a_file_is_looked_for_in_two_places_and_named_where_it_is_missing(tmp_path: Path) -> None:
    models = Models(tmp_path)
    with pytest.raises(ModelFileMissing, match="Nothing is downloaded") as refusal:
        find_upscaler(NAME, models)
    assert str(tmp_path / "upscalers" / f"{NAME}.onnx") in str(refusal.value)
    beside = write_network(tmp_path / f"{NAME}.onnx")
    assert find_upscaler(NAME, models) == beside
    inside = write_network(tmp_path / "upscalers" / f"{NAME}.onnx")
    assert find_upscaler(NAME, models) == inside
    with pytest.raises(ModelFileMissing, match="name a folder"):
        find_upscaler(NAME, Models())


def test_a_licence_that_nobody_knows_has_to_be_allowed(tmp_path: Path) -> None:
    own = write_network(tmp_path / "my-own.onnx")
    with pytest.raises(ModelNotAllowed, match="unknown"):
        find_upscaler("my-own", Models(tmp_path))
    assert find_upscaler("my-own", Models(tmp_path, non_commercial=True)) == own


def small_product() -> Subject:
    product = bag(96)
    return Subject(np.asarray(photograph(product)), product.alpha)


def test_a_small_product_is_enlarged_by_the_network_and_lands_where_it_would(tmp_path: Path) -> None:
    write_network(tmp_path / f"{NAME}.onnx")
    plain = Recipe(width=400, height=400)
    resampled, before = place(small_product(), plain)
    learned, note = place(small_product(), Recipe(width=400, height=400, upscaler=NAME), Models(tmp_path))
    assert note.detail["upscaler_factor"] == 2
    assert note.detail["upscaler_licence"] == "BSD-3-Clause"
    assert f"by {NAME}" in note.note
    assert note.detail["scale"] == before.detail["scale"]
    assert note.detail["product_box"] == before.detail["product_box"]
    one, other = (np.asarray(picture).astype(int) for picture in (resampled, learned))
    white = [(pixels == 255).all(axis=-1) for pixels in (one, other)]
    assert (white[0] != white[1]).mean() < 0.02  # a fringe of half a pixel
    solid = cv2.erode((~white[0]).astype(np.uint8), np.ones((25, 25))) > 0
    assert np.abs(one - other)[solid].mean() < 8  # the network only blurs


def test_no_dark_line_is_drawn_around_a_cut_out(tmp_path: Path) -> None:
    write_network(tmp_path / f"{NAME}.onnx")
    alpha = np.zeros((96, 96), np.float32)
    alpha[20:80, 30:70] = 1
    pixels = np.zeros((96, 96, 3), np.uint8)  # black where nothing is, as decontaminated cut-outs are
    pixels[alpha > 0] = (200, 180, 160)
    larger, _, _ = enlarge(Subject(pixels, alpha), NAME, Models(tmp_path))
    assert larger.alpha is not None
    assert np.abs(larger.pixels[larger.alpha > 0.5].astype(int) - (200, 180, 160)).max() <= 2


def test_what_need_not_be_enlarged_is_not(tmp_path: Path) -> None:
    write_network(tmp_path / f"{NAME}.onnx")
    recipe = Recipe(width=64, height=64, upscaler=NAME)
    _, note = place(small_product(), recipe, Models(tmp_path))
    assert "upscaler" not in note.detail
    with pytest.raises(ModelFileMissing):
        place(small_product(), recipe, Models(tmp_path / "elsewhere"))


def test_a_result_too_large_for_memory_is_resampled_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_network(tmp_path / f"{NAME}.onnx")
    monkeypatch.setattr(enlarging, "MOST_PIXELS", 1000)
    _, note = place(small_product(), Recipe(width=400, height=400, upscaler=NAME), Models(tmp_path))
    assert "too large" in note.note
    assert "upscaler_factor" not in note.detail


def test_finish_takes_it_from_the_recipe(tmp_path: Path) -> None:
    write_network(tmp_path / f"{NAME}.onnx")
    photo = photograph(bag(96))
    recipe = Recipe(width=300, height=300, upscaler=NAME)
    report = finish(photo, recipe, models=Models(tmp_path)).report
    assert report["canvas"].detail["upscaler"] == NAME
    with pytest.raises(FinishingError, match=f"put its network at .*{NAME}"):
        finish(photo, recipe, models=Models(tmp_path / "elsewhere"))


def test_a_name_is_no_path() -> None:
    with pytest.raises(FinishingError, match="upscaler"):
        Recipe(upscaler="../secret")
