"""A matte laid over its backdrop gives the photograph back, shadow and all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imagegen_postprocess.background.matte import pull_matte
from imagegen_postprocess.background.regions import Regions
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.subject import Mask, Pixels, Plane

SIDE = 160
DARK = (36, 34, 34)


def on_its_shadow(depth: float) -> tuple[Pixels, Mask, Plane]:
    """A dark block on white whose shadow is darkest where it stands, and takes `depth` of the light there."""
    block = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(block, (80, 80), (52, 26), 12, 0, 360, 255, -1)
    away = cv2.distanceTransform(255 - block, cv2.DIST_L2, 5)
    light = np.repeat((1 - depth * np.exp(-away / 4))[..., None], 3, axis=2).astype(np.float32)
    cover = (cv2.GaussianBlur(block, (0, 0), 0.8) / 255.0)[..., None].astype(np.float32)
    photo = to_light(np.full((SIDE, SIDE, 3), DARK, np.uint8)) * cover + light * (1 - cover)
    return to_pixels(photo), block > 0, np.asarray(away, np.float32)


@pytest.mark.parametrize("depth", [0.2, 0.5, 0.8])
def test_a_shadow_stays_whole_up_to_the_product(depth: float) -> None:
    photo, product, away = on_its_shadow(depth)
    behind = np.ones((SIDE, SIDE, 3), np.float32)
    regions = Regions(product, away > 24, ~product, 0, 1.0)
    own, alpha = pull_matte(photo, behind, regions, 0.002)
    share = alpha[..., None]
    again = to_pixels(to_light(own) * share + behind * (1 - share))
    lost = np.abs(again.astype(int) - photo.astype(int)).max(axis=2)
    assert lost[away < 24].max() <= 6
