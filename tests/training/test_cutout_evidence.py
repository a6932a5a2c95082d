"""The network that is told the sheet: its pictures, where it begins, and the file that ships."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.cutout.close_ups import close_up
from training.cutout.export import Deployed, export
from training.cutout.foregrounds import Foregrounds
from training.cutout.network import CutOutNetwork, SheetNetwork
from training.cutout.openwork import OPENWORK, fringed
from training.cutout.reload import reload


def products() -> Foregrounds:
    thing = np.zeros((40, 60, 4), np.uint8)
    thing[5:35, 5:55] = (200, 30, 30, 255)
    return Foregrounds([cv2.imencode(".png", thing)[1].tobytes()])


def test_a_close_up_repeats_and_its_difference_tells_sheet_from_product() -> None:
    apart = []
    for seed in range(8):
        one, other = (close_up(products(), 160, 128, random.Random(seed)) for _ in range(2))
        assert (one.pixels == other.pixels).all()
        assert one.difference is not None
        assert one.pixels.shape == one.difference.shape == (128, 160, 3)
        assert one.alpha.shape == (128, 160)
        far = np.linalg.norm(one.difference, axis=2)
        apart.append(np.median(far[one.alpha > 250]) > np.median(far[one.alpha == 0]))
    assert sum(apart) >= 7


@pytest.mark.parametrize("number", range(len(OPENWORK)))
def test_openwork_repeats_and_has_gaps(number: int) -> None:
    draw, gaps = OPENWORK[number], 0
    for seed in range(12):
        one, other = (draw(random.Random(seed)) for _ in range(2))
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
        whole = (np.max(one, axis=0) > 127).astype(np.uint8)
        assert whole.any()
        tree = cv2.findContours(whole, cv2.RETR_CCOMP, 2)[1]
        gaps += int((np.asarray(tree)[0, :, 3] >= 0).any())
    assert gaps or draw is fringed  # what lies between fringes is open at their ends


def test_it_begins_as_the_network_that_it_goes_on_from() -> None:
    torch.manual_seed(0)
    earlier, network = CutOutNetwork().eval(), SheetNetwork().eval()
    network.load_state_dict(earlier.state_dict(), strict=False)
    x = torch.randn(1, 6, 64, 96)
    with torch.inference_mode():
        assert torch.allclose(network(x), earlier(x[:, :3]), atol=1e-4)


@pytest.mark.slow
def test_the_file_is_told_the_difference_and_can_be_read_back(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(0)
    network = SheetNetwork()
    with torch.no_grad():
        network.corrected.weight.normal_(std=0.1)
    path = export(network, tmp_path / "sheet.onnx")
    assert path.stat().st_size < 3_400_000
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (1, 96, 160, 3), np.uint8)
    difference = rng.normal(0, 3, pixels.shape).astype(np.float32)
    (answer,) = session.run(None, {"pixels": pixels, "difference": difference})
    again = SheetNetwork()
    reload(again, path)
    for one in (network, again):
        with torch.inference_mode():
            expected = Deployed(one)(torch.from_numpy(pixels), torch.from_numpy(difference)).numpy()
        assert np.abs(answer - expected).max() < 1e-4
    with pytest.raises(ValueError, match="another network"):
        reload(CutOutNetwork(), path)
