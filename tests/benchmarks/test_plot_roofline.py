"""The roofline picture says what the file says."""

import re
from xml.etree import ElementTree

import pytest

from benchmarks.plot_roofline import HEIGHT, WIDTH, draw

RESULTS = {
    "machine": {"gpu": None, "cpu": "An abacus", "versions": {"torch": "2.13.0"}, "date": "2026-11-25T00:00"},
    "ceiling_tflops": 0.5,
    "int8_ceiling_tops": 0.9,
    "copy_gb_s": 20.0,
    "shapes": [
        {
            "tokens": 512,
            "out_features": 3072,
            "in_features": 3072,
            "rates": {"ours": {"tflops": 0.7, "gb_s": 1.0}, "bf16": {"tflops": 0.4, "gb_s": 2.0}},
        }
    ],
}


def test_every_point_lies_in_the_picture_and_below_its_roof() -> None:
    root = ElementTree.fromstring(draw(RESULTS))
    space = "{http://www.w3.org/2000/svg}"
    dots = {
        spot[0].text: (float(spot.attrib["cx"]), float(spot.attrib["cy"]))
        for spot in root.iter(f"{space}circle")
        if len(spot)
    }
    assert set(dots) == {"ours, 512 x 3072 to 3072: 0.7 T/s", "bf16, 512 x 3072 to 3072: 0.4 T/s"}
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in dots.values())
    (ours_x, ours_y), (bf16_x, bf16_y) = dots.values()
    assert ours_x > bf16_x  # 700 operations a byte against 200
    assert ours_y < bf16_y  # up is faster
    words = [element.text or "" for element in root.iter(f"{space}text")]
    assert any(re.match(r"An abacus, torch 2.13.0, 2026-11-25", word) for word in words)
    assert {"int8, 0.9 T", "bfloat16, 0.5 T", "ours", "bf16"} <= set(words)


def test_a_result_without_ceilings_is_refused() -> None:
    with pytest.raises(KeyError, match="ceiling_tflops"):
        draw({key: value for key, value in RESULTS.items() if key != "ceiling_tflops"})
