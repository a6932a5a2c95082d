from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_postprocess.canvas.layout import Box, lay_out


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Box, tuple[int, int]]:
    width, height = draw(st.integers(16, 3000)), draw(st.integers(16, 3000))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return Box(left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))), (
        width,
        height,
    )


FRAMES = st.tuples(st.integers(16, 4096), st.integers(16, 4096))


@settings(deadline=None, max_examples=300)
@given(boxes(), FRAMES, st.floats(0.1, 1))
def test_the_product_fits_the_fill_and_touches_it(
    given_box: tuple[Box, tuple[int, int]], frame: tuple[int, int], fill: float
) -> None:
    box, picture = given_box
    target = lay_out(box, picture, frame, fill).target
    assert target.width <= fill * frame[0] + 1
    assert target.height <= fill * frame[1] + 1
    assert max(target.width - fill * frame[0], target.height - fill * frame[1]) >= -1
    assert abs(target.left - (frame[0] - target.right)) <= 1
    assert abs(target.top - (frame[1] - target.bottom)) <= 1


@settings(deadline=None, max_examples=300)
@given(boxes(), FRAMES, st.floats(0.1, 1))
def test_the_product_is_never_cut(
    given_box: tuple[Box, tuple[int, int]], frame: tuple[int, int], fill: float
) -> None:
    box, picture = given_box
    layout = lay_out(box, picture, frame, fill)
    assert layout.target.left >= 0
    assert layout.target.top >= 0
    assert layout.target.right <= frame[0]
    assert layout.target.bottom <= frame[1]
    left, top, right, bottom = layout.source
    assert 0 <= left <= box.left < box.right <= right + 1e-6 <= picture[0] + 1e-3
    assert 0 <= top <= box.top < box.bottom <= bottom + 1e-6 <= picture[1] + 1e-3
    # The source's pixels land where the box says: same scale on the way in and around.
    assert layout.offset[0] + (box.left - left) * layout.target.width / box.width == pytest.approx(
        layout.target.left, abs=1e-3
    )
    assert layout.offset[1] + (box.top - top) * layout.target.height / box.height == pytest.approx(
        layout.target.top, abs=1e-3
    )
    assert layout.size[0] <= frame[0]
    assert layout.size[1] <= frame[1]


def test_a_square_frame_gives_the_longest_side_its_share() -> None:
    layout = lay_out(Box(0, 0, 100, 50), (100, 50), (200, 200), 0.9)
    assert (layout.target.width, layout.target.height) == (180, 90)
    assert layout.scale == pytest.approx(1.8)


def test_a_wide_frame_is_touched_in_one_axis() -> None:
    layout = lay_out(Box(10, 10, 60, 110), (80, 120), (400, 200), 0.8)
    assert (layout.target.width, layout.target.height) == (80, 160)
