from __future__ import annotations

import numpy as np
import pytest

from imagegen_postprocess.colour.difference import ciede2000

# From the test data of Sharma, Wu and Dalal (2005), table 1: the pairs at which programs usually err.
PAIRS = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, -0.001, 2.49), (50.0, 0.0009, -2.49), 4.8045),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "difference"), PAIRS)
def test_it_is_the_published_formula(
    one: tuple[float, ...], other: tuple[float, ...], difference: float
) -> None:
    assert ciede2000(np.array(one), np.array(other)) == pytest.approx(difference, abs=1e-4)
    assert ciede2000(np.array(other), np.array(one)) == pytest.approx(difference, abs=1e-4)


def test_arrays_are_broadcast_and_equal_colours_do_not_differ() -> None:
    colours = np.random.default_rng(0).uniform((0, -80, -80), (100, 80, 80), (5, 7, 3))
    assert ciede2000(colours, colours).max() < 1e-6
    assert ciede2000(colours, colours[0, 0]).shape == (5, 7)
