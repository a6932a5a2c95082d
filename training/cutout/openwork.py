"""Products full of gaps: cables side by side, slotted stands, grids, straps, easels, fringes, loops.

Slots and panes are cut through or filled with a part of their own, about as often the one as the other: only
their colour beside the sheet's tells which.
"""

import random
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]

SIDE = 320
FINE = 2  # drawn so many times larger, for soft edges
_SUB = 3  # fractional bits of cv2's coordinates
FILLED = 0.45  # share of the gaps that are filled


def strands(rng: random.Random) -> list[Pixels]:
    """Two to six strands side by side along one curve, often closer to each other than they are thick."""
    thick = rng.uniform(0.012, 0.05)
    step = thick * rng.choice((rng.uniform(1.12, 1.5), rng.uniform(1.3, 2.4)))
    count, parts = rng.randint(2, 6), []
    way = _way(rng)
    cable = _empty()
    for number in range(count):
        _line(cable, _beside(way, (number - (count - 1) / 2) * step), thick)
    parts.append(cable)
    if rng.random() < 0.5:  # the seam or braid along each
        seams = _empty()
        for number in range(count):
            _line(seams, _beside(way, (number - (count - 1) / 2) * step), thick * rng.uniform(0.2, 0.5))
        parts.append(np.minimum(seams, cable))
    for _ in range(rng.randint(0, 3)):  # plugs, ties, or others that cross them
        plug, at = _empty(), way[rng.randrange(len(way))]
        angle, long = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4)
        other = np.clip(at + long * np.array([np.cos(angle), np.sin(angle)]), 0.04, 0.96)
        parts.append(_line(plug, np.stack([at, other]), thick * rng.uniform(0.8, 4)))
    return parts


def loops(rng: random.Random) -> list[Pixels]:
    """A bundle of loops of one cable: slim gaps between strands that meet at both ends."""
    thick, left, right = rng.uniform(0.01, 0.035), rng.uniform(0.05, 0.2), rng.uniform(0.8, 0.95)
    y, spread = rng.uniform(0.35, 0.65), rng.uniform(0.04, 0.3)
    cable = _empty()
    t = np.linspace(0, 1, 60)
    for _ in range(rng.randint(2, 7)):
        bend, start, end = (
            rng.uniform(-1, 1) * spread,
            left + rng.uniform(0, 0.06),
            right - rng.uniform(0, 0.06),
        )
        sag = 4 * t * (1 - t) if rng.random() < 0.6 else np.sin(np.pi * t) ** 0.5
        _line(cable, np.clip(np.stack([start + (end - start) * t, y + bend * sag], 1), 0.03, 0.97), thick)
    parts = [cable]
    if rng.random() < 0.6:
        tie = _empty()
        x = rng.uniform(0.4, 0.6)
        parts.append(
            _line(tie, np.array([[x, y - spread * 0.9], [x, y + spread * 0.9]]), thick * rng.uniform(1, 4))
        )
    if rng.random() < 0.6:
        plug = _empty()
        _oblong(plug, right - 0.12, y - rng.uniform(0.03, 0.1), right, y + rng.uniform(0.03, 0.1))
        parts.append(plug)
    return parts


def slotted(rng: random.Random) -> list[Pixels]:
    """A body, a stand or a grille with one to nine slots."""
    body, slots = _empty(), _empty()
    left, top = rng.uniform(0.1, 0.35), rng.uniform(0.06, 0.3)
    right, bottom = 1 - rng.uniform(0.1, 0.35), 1 - rng.uniform(0.06, 0.3)
    slant = rng.choice((0.0, rng.uniform(-0.15, 0.15)))
    if rng.random() < 0.7:
        _oblong(body, left, top, right, bottom, slant)
    else:
        _disc(body, (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)
    count, upright = rng.randint(1, 9), rng.random() < 0.5
    first, last = rng.uniform(0.1, 0.3), rng.uniform(0.7, 0.9)
    share = rng.choice((rng.uniform(0.06, 0.25), rng.uniform(0.2, 0.6)))
    start, end = rng.uniform(0.08, 0.3), rng.uniform(0.6, 0.92)
    for number in range(count):
        at = first + (last - first) * (number + 0.5) / count
        half = share * (last - first) / count / 2
        u, v = (at - half, at + half), (start, end)
        (x0, x1), (y0, y1) = (u, v) if upright else (v, u)
        wide, high = right - left, bottom - top
        lean = slant * (y1 - y0)
        shift = slant * (1 - y1)
        _oblong(
            slots, left + shift + x0 * wide, top + y0 * high, left + shift + x1 * wide, top + y1 * high, lean
        )
    parts = _opened(body, slots, rng)
    if rng.random() < 0.5:  # foot or arm
        foot = _empty()
        x, y = rng.uniform(0.3, 0.7), bottom
        parts.insert(
            0, _line(foot, np.array([[x, y], [rng.uniform(0.1, 0.9), 0.95]]), rng.uniform(0.015, 0.08))
        )
    return parts


def grid(rng: random.Random) -> list[Pixels]:
    """Shelves, beds, cages: thin bars across each other; some of the panes between them filled."""
    left, top = rng.uniform(0.06, 0.35), rng.uniform(0.04, 0.25)
    right, bottom = 1 - rng.uniform(0.06, 0.35), 1 - rng.uniform(0.05, 0.2)
    across, down, thick = rng.randint(1, 5), rng.randint(1, 6), rng.uniform(0.006, 0.03)
    slant = rng.choice((0.0, 0.0, rng.uniform(-0.1, 0.1)))
    xs = np.sort([left, right, *(rng.uniform(left, right) for _ in range(across - 1))])
    ys = np.sort([top, bottom, *(rng.uniform(top, bottom) for _ in range(down - 1))])

    def corner(x: float, y: float) -> list[float]:
        return [x + slant * (bottom - y), y]

    bars, panes = _empty(), _empty()
    for x in xs:
        _line(bars, np.array([corner(x, top), corner(x, min(0.97, bottom + rng.uniform(0, 0.08)))]), thick)
    for y in ys:
        _line(bars, np.array([corner(left, y), corner(right, y)]), thick * rng.uniform(0.6, 2))
    for row in range(len(ys) - 1):
        for column in range(len(xs) - 1):
            if rng.random() < 0.25:
                (x0, x1), (y0, y1) = xs[column : column + 2], ys[row : row + 2]
                _fill(panes, np.array([corner(x0, y0), corner(x1, y0), corner(x1, y1), corner(x0, y1)]))
    parts = [panes, bars]
    if rng.random() < 0.3:  # a mesh or slats in one storey
        mesh, count = _empty(), rng.randint(6, 24)
        row = rng.randrange(len(ys) - 1)
        for number in range(1, count):
            x = left + (right - left) * number / count
            _line(mesh, np.array([corner(x, ys[row]), corner(x, ys[row + 1])]), thick * rng.uniform(0.3, 0.8))
        parts.append(mesh)
    return parts


def ring(rng: random.Random) -> list[Pixels]:
    """A strap or band seen from the side: a slim opening, a plate and a dial on its front."""
    x, y = rng.uniform(0.45, 0.55), rng.uniform(0.45, 0.55)
    across, down = rng.uniform(0.16, 0.36), rng.uniform(0.32, 0.45)
    body, hole = _empty(), _empty()
    _disc(body, x, y, across, down)
    shift = rng.uniform(-0.5, 0.2) * across
    inner = rng.uniform(0.1, 0.7)
    _disc(
        hole,
        x + shift,
        y + rng.uniform(-0.05, 0.05),
        across * inner * rng.uniform(0.3, 0.9),
        down * rng.uniform(0.5, 0.85),
    )
    parts = _opened(body, hole, rng)
    ridge = _disc(_empty(), x, y, across * rng.uniform(0.7, 0.98), down * rng.uniform(0.7, 0.98))
    front = np.minimum(np.minimum(ridge, body), 255 - hole)
    plate = _empty()
    _disc(
        plate,
        x + across * rng.uniform(0.3, 0.8),
        y + rng.uniform(-0.1, 0.1),
        across * rng.uniform(0.3, 0.8),
        down * rng.uniform(0.4, 0.9),
    )
    dial = _empty()
    _disc(
        dial,
        x + across * rng.uniform(0.3, 0.8),
        y,
        across * rng.uniform(0.15, 0.4),
        down * rng.uniform(0.15, 0.5),
    )
    for part in (front, plate, dial):
        if rng.random() < 0.7:
            parts.append(np.minimum(part, parts[0]))
    return parts


def easel(rng: random.Random) -> list[Pixels]:
    """Two slanted posts with a board, a shelf and rungs between them, legs of another shade behind."""
    top, foot, middle = rng.uniform(0.04, 0.12), rng.uniform(0.88, 0.97), rng.uniform(0.42, 0.58)
    narrow, wide, thick = rng.uniform(0.06, 0.25), rng.uniform(0.2, 0.38), rng.uniform(0.012, 0.05)

    def post(side: int, y: float) -> list[float]:
        reach = narrow + (wide - narrow) * (y - top) / (foot - top)
        return [middle + side * reach, y]

    behind, posts, board, rungs = _empty(), _empty(), _empty(), _empty()
    lean = rng.uniform(-0.12, 0.12)
    for side in (-1, 1):
        _line(
            behind,
            np.array(
                [[middle + side * narrow, top], [middle + side * wide + lean, foot - rng.uniform(0, 0.08)]]
            ),
            thick,
        )
        _line(posts, np.array([post(side, top), post(side, foot)]), thick)
    high, low = rng.uniform(0.05, 0.2), rng.uniform(0.35, 0.7)
    _fill(board, np.array([post(-1, high), post(1, high), post(1, low), post(-1, low)]))
    for _ in range(rng.randint(1, 5)):
        y = rng.uniform(low, foot - 0.08)
        _line(rungs, np.array([post(-1, y), post(1, y)]), thick * rng.uniform(0.5, 2))
    return [behind, *([board] if rng.random() < 0.6 else []), rungs, posts]


def fringed(rng: random.Random) -> list[Pixels]:
    """A cloth with fringes at its ends."""
    left, right = rng.uniform(0.15, 0.35), 1 - rng.uniform(0.15, 0.35)
    top, bottom = rng.uniform(0.06, 0.3), rng.uniform(0.6, 0.85)
    body, fringe = _empty(), _empty()
    _oblong(body, left, top, right, bottom, rng.uniform(-0.06, 0.06))
    count, long = rng.randint(8, 40), rng.uniform(0.04, 0.12)
    thick = (right - left) / count * rng.uniform(0.35, 0.8)
    for number in range(count):
        x = left + (right - left) * (number + 0.5) / count
        end = [x + rng.uniform(-0.6, 0.6) * thick, min(0.97, bottom + long * rng.uniform(0.7, 1.1))]
        _line(fringe, np.array([[x, bottom - 0.01], end]), thick)
    return [fringe, body]


def framed(rng: random.Random) -> list[Pixels]:
    """A closed frame, round or square, with a pane or without; a strut or a stand beside it."""
    outer, inner = _empty(), _empty()
    x, y = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.55)
    across, down = rng.uniform(0.15, 0.4), rng.uniform(0.2, 0.42)
    rim, slant = rng.uniform(0.015, 0.09), rng.choice((0.0, rng.uniform(-0.15, 0.15)))
    if rng.random() < 0.7:
        _oblong(outer, x - across, y - down, x + across, y + down, slant)
        lean = slant * (down - rim) / down
        drift = (slant - lean) / 2
        _oblong(
            inner, x - across + rim + drift, y - down + rim, x + across - rim + drift, y + down - rim, lean
        )
    else:
        _disc(outer, x, y, across, down)
        _disc(inner, x, y, across - rim, down - rim)
    parts = _opened(outer, inner, rng)
    if rng.random() < 0.5:
        strut = _empty()
        start = [x + rng.uniform(-0.5, 1) * across, y + rng.uniform(0, 0.8) * down]
        _line(
            strut,
            np.array([start, [start[0] + rng.uniform(-0.2, 0.2), rng.uniform(0.9, 0.96)]]),
            rng.uniform(0.015, 0.08),
        )
        parts.insert(0, np.minimum(strut, 255 - inner))
    return parts


OPENWORK: tuple[Callable[[random.Random], list[Pixels]], ...] = (
    strands,
    strands,
    loops,
    slotted,
    slotted,
    grid,
    grid,
    ring,
    ring,
    easel,
    fringed,
    framed,
    framed,
)


def _opened(body: Pixels, gaps: Pixels, rng: random.Random) -> list[Pixels]:
    """The body with its gaps cut through, or filled by a part of their own."""
    gaps = np.minimum(gaps, body)
    return [body, gaps] if rng.random() < FILLED else [body - gaps]


def _way(rng: random.Random) -> Points:
    """A bend, an arc or a straight line through the picture, 60 points."""
    t = np.linspace(0, 1, 60)[:, None]
    kind = rng.random()
    if kind < 0.4:
        start = rng.uniform(0, 2 * np.pi)
        angles = start + t[:, 0] * rng.uniform(1.5, 2 * np.pi)
        across, down = rng.uniform(0.2, 0.36), rng.uniform(0.15, 0.36)
        return np.stack([0.5 + across * np.cos(angles), 0.5 + down * np.sin(angles)], 1)
    one, two, three = (np.array([rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85)]) for _ in range(3))
    if kind < 0.6:
        return np.asarray(one + (two - one) * t)
    return np.asarray((1 - t) ** 2 * one + 2 * t * (1 - t) * two + t**2 * three)


def _beside(way: Points, offset: float) -> Points:
    """The curve moved sideways."""
    along = np.gradient(way, axis=0)
    normal = (
        np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None]
    )
    return np.asarray(np.clip(way + offset * normal, 0.02, 0.98), np.float64)


def _empty() -> Pixels:
    return np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)


def _dots(points: Points) -> NDArray[np.int32]:
    return np.asarray(np.rint(points * SIDE * FINE * 2**_SUB), np.int32)


def _line(mask: Pixels, points: Points, thick: float) -> Pixels:
    cv2.polylines(mask, [_dots(points)], False, 255, max(2, round(thick * SIDE * FINE)), cv2.LINE_AA, _SUB)
    return mask


def _fill(mask: Pixels, corners: Points) -> Pixels:
    cv2.fillPoly(mask, [_dots(corners)], 255, cv2.LINE_AA, _SUB)
    return mask


def _oblong(mask: Pixels, left: float, top: float, right: float, bottom: float, slant: float = 0.0) -> Pixels:
    return _fill(mask, np.array([[left + slant, top], [right + slant, top], [right, bottom], [left, bottom]]))


def _disc(mask: Pixels, x: float, y: float, across: float, down: float) -> Pixels:
    angles = np.linspace(0, 2 * np.pi, 80)
    return _fill(mask, np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1))
