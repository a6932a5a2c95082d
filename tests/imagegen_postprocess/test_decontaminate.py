from __future__ import annotations

import numpy as np

from imagegen_postprocess.background.decontaminate import clean_colours
from imagegen_postprocess.colour.linear import to_light
from tests.imagegen_postprocess.drawn import bag, ball, photograph


def test_a_foreign_alpha_gets_clean_edges() -> None:
    product = ball()
    stained = np.asarray(photograph(product, (40, 120, 60)))
    cleaned = clean_colours(stained, product.alpha)
    edge = (product.alpha > 0.2) & (product.alpha < 0.8)
    wrong = np.abs(to_light(stained[edge]) - product.colour[edge]).mean()
    assert np.abs(to_light(cleaned[edge]) - product.colour[edge]).mean() < 0.4 * wrong


def test_solid_pixels_stay_and_transparent_ones_are_emptied() -> None:
    product = bag()
    picture = np.asarray(photograph(product, (40, 120, 60)))
    cleaned = clean_colours(picture, product.alpha)
    assert (cleaned[product.alpha == 1] == picture[product.alpha == 1]).all()
    assert (cleaned[product.alpha == 0] == 0).all()
