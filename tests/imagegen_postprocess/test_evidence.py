from __future__ import annotations

import numpy as np

from imagegen_postprocess.background.evidence import difference_from
from imagegen_postprocess.background.sheet import look_behind
from tests.imagegen_postprocess.drawn import bag, photograph


def test_bare_sheet_is_within_its_noise_and_the_product_is_not() -> None:
    pixels = np.asarray(photograph(bag(), (246, 246, 246), noise=0.8, seed=3))
    sheet = look_behind(pixels)
    found = np.linalg.norm(difference_from(sheet.backdrop.surface, sheet.tolerance, pixels), axis=2)
    assert found.dtype == np.float32
    assert np.percentile(found[:40, :40], 95) < 1
    assert np.median(found[bag().solid]) > 5


def test_the_surface_may_have_another_size() -> None:
    pixels = np.full((60, 90, 3), 200, np.uint8)
    surface = look_behind(pixels[::2, ::2]).backdrop.surface
    assert np.abs(difference_from(surface, 1.5, pixels)).max() < 0.3
