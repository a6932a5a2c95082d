"""The cut-out network's recipe: data that repeats, a network that learns, an export that agrees."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.cutout.assemblies import assemble
from training.cutout.composites import Composer, Composite
from training.cutout.config import load_cut_out_config
from training.cutout.export import Deployed, export
from training.cutout.foregrounds import Foregrounds, sure_cut_out
from training.cutout.loss import cut_out_loss
from training.cutout.network import CutOutNetwork
from training.cutout.scenes import Scenes
from training.cutout.screening import screened
from training.cutout.sheets import on_a_sheet

CONFIGS = Path(__file__).parents[2] / "training" / "cutout" / "configs"


@pytest.fixture(scope="module")
def composer() -> Composer:
    thing = np.zeros((40, 60, 4), np.uint8)
    thing[5:35, 5:55] = (200, 30, 30, 255)
    photo = np.random.default_rng(1).integers(0, 255, (64, 48, 3), np.uint8)
    products = Foregrounds([cv2.imencode(".png", thing)[1].tobytes()])
    return Composer(products, Scenes([cv2.imencode(".jpg", photo)[1].tobytes()], products))


def test_a_composite_repeats_and_has_its_product(composer: Composer) -> None:
    def draw(seed: int) -> Composite:
        return composer.draw(96, 64, random.Random(seed))

    for seed in range(20):
        one, other = draw(seed), draw(seed)
        assert (one.pixels == other.pixels).all()
        assert (one.alpha == other.alpha).all()
        assert one.pixels.shape == (64, 96, 3)
        assert one.alpha.max() > 127


def test_the_loss_falls_towards_the_truth() -> None:
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., 16:48, 16:48] = 1
    glance = torch.zeros(1, 1, 8, 8)
    right, wrong = (alpha - 0.5) * 20, (0.5 - alpha) * 20
    losses = [
        cut_out_loss(logits, glance, alpha).item() for logits in (right, torch.zeros_like(alpha), wrong)
    ]
    assert losses == sorted(losses)
    assert losses[0] < 0.5 * losses[1]


@pytest.mark.slow
def test_the_export_answers_as_the_network_does(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(0)
    network = CutOutNetwork().eval()
    path = export(network, tmp_path / "cutout.onnx")  # rounds the weights of `network` too
    assert path.stat().st_size < 3_000_000
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(1).integers(0, 255, (1, 96, 160, 3), np.uint8)
    (answer,) = session.run(None, {"pixels": pixels})
    with torch.inference_mode():
        expected = Deployed(network)(torch.from_numpy(pixels)).numpy()
    assert np.abs(answer - expected).max() < 1e-4


def test_configs_load_and_unknown_keys_are_refused(tmp_path: Path) -> None:
    for path in CONFIGS.glob("*.yaml"):
        for width, height in load_cut_out_config(path).shapes:
            assert width % 32 == height % 32 == 0
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((CONFIGS / "cpu.yaml").read_text() + "sed: 1\n")
    with pytest.raises(ValueError, match="sed"):
        load_cut_out_config(wrong)


def test_only_sure_cut_outs_are_taken() -> None:
    white = np.full((120, 90, 3), 250, np.uint8)
    white[40:80, 30:60] = (30, 40, 160)
    cut = sure_cut_out(cv2.imencode(".png", white)[1].tobytes())
    assert cut is not None
    assert cut.shape[2] == 4
    assert 40 <= cut.shape[0] <= 52
    noise = np.random.default_rng(1).integers(0, 255, (120, 90, 3), np.uint8)
    assert sure_cut_out(cv2.imencode(".png", noise)[1].tobytes()) is None


def test_products_on_sheets_repeat_and_keep_their_coverage() -> None:
    thing = np.zeros((40, 60, 4), np.uint8)
    thing[5:35, 5:55] = (200, 30, 30, 255)
    products = Foregrounds([cv2.imencode(".png", thing)[1].tobytes()])
    for seed in range(20):
        one, other = (on_a_sheet(products, 96, 64, random.Random(seed)) for _ in range(2))
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
        pixels, coverage = one
        assert pixels.shape == (64, 96, 3)
        assert coverage.shape == (64, 96)
        assert 0 < (coverage > 127).mean() < 1


def test_assemblies_have_parts_and_gaps() -> None:
    drawn = [assemble(random.Random(seed)) for seed in range(30)]
    assert all(thing.shape == (320, 320, 4) and (thing[..., 3] > 127).any() for thing in drawn)
    contours = [
        cv2.findContours((thing[..., 3] > 127).astype(np.uint8), cv2.RETR_CCOMP, 2)[1] for thing in drawn
    ]
    with_gaps = sum((np.asarray(tree)[0, :, 3] >= 0).any() for tree in contours)
    assert with_gaps > 5


def test_screening_drops_what_holds_paper() -> None:
    """A red box on which white paper was taken for product teaches to fill gaps."""
    clean = np.zeros((120, 120, 4), np.uint8)
    clean[20:100, 20:100] = (180, 40, 40, 255)
    paper = clean.copy()
    paper[45:75, 45:75, :3] = 250
    encoded = [
        cv2.imencode(".png", cv2.cvtColor(thing, cv2.COLOR_RGBA2BGRA))[1].tobytes()
        for thing in (clean, paper)
    ]
    assert screened(Foregrounds(encoded)).encoded == encoded[:1]
