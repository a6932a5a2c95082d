from __future__ import annotations

import torch

from imagegen.pipeline.decode import to_uint8


def test_pixels_round_to_the_nearest_level() -> None:
    pixels = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 1.0])
    assert to_uint8(pixels).tolist() == [0, 0, 1, 254, 255]
