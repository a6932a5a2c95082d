"""Objects of several materials: panels in frames, bars with strips, racks, coils, handles.

Where `shapes` draws outlines, these teach that the parts of a product differ from one another more than from
the sheet behind it: glass as grey as the paper, a silver edge in the shadow, the gap in a coil. More kinds
(`openwork`) are full of places that are either a gap or a part nearly of the sheet's colour.
"""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cutout.openwork import OPENWORK
from training.cutout.textures import Plane, plain, texture

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]

SIDE = 320
FINE = 2  # drawn so many times larger, for soft edges
_SUB = 3  # fractional bits of cv2's coordinates
OPEN = 0.6  # share of openwork
NEAR_SHEET = 0.25  # share of parts that have nearly the colour of the sheet, where it is told


def assemble(rng: random.Random, sheet: Plane | None = None) -> Pixels:
    """uint8 RGBA [320, 320, 4]: two to seven parts, most of them mirrored, each of its own material.

    sheet: colour of what they will lie on, float32 [3] in 0..1.
    """
    colours = np.zeros((SIDE, SIDE, 3), np.float32)
    alpha = np.zeros((SIDE, SIDE), np.float32)
    shared = [_material(rng, sheet) for _ in range(2)]
    turn = rng.choice((0.0, 0.0, rng.uniform(-0.3, 0.3)))
    kinds = OPENWORK if rng.random() < OPEN else (_panel, _bar, _rack, _coil, _bag, _body, _body)
    draw = rng.choice(kinds)
    for mask in draw(rng):
        share = _soft(mask, turn)
        surface = rng.choice(shared) if rng.random() < 0.5 else _material(rng, sheet)
        depth = cv2.distanceTransform((share > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        if rng.random() < 0.5:
            surface = (
                surface
                * (rng.uniform(0.6, 0.95) + 0.4 * np.clip(depth / rng.uniform(2, 20), 0, 1))[..., None]
            )
        colours = colours * (1 - share[..., None]) + share[..., None] * np.clip(surface, 0, 1)
        alpha = share + (1 - share) * alpha
    straight = colours / np.maximum(alpha, 1e-3)[..., None]
    return np.asarray(np.rint(np.clip(np.dstack([straight, alpha]), 0, 1) * 255), np.uint8)


def _material(rng: random.Random, sheet: Plane | None = None) -> Plane:
    """White, black, silver, glass, a colour or a texture, or nearly the sheet's colour."""
    if sheet is not None and rng.random() < NEAR_SHEET:
        return _like(sheet, rng)
    kind = rng.random()
    if kind < 0.25:
        return texture(SIDE, SIDE, rng)
    if kind < 0.5:
        return plain(SIDE, SIDE, rng)
    grey = rng.choice((rng.uniform(0.85, 1), rng.uniform(0.02, 0.2), rng.uniform(0.4, 0.85)))
    surface = np.full((SIDE, SIDE, 3), grey, np.float32)
    bands = np.interp(
        np.linspace(0, 1, SIDE), np.linspace(0, 1, 6), [rng.uniform(-0.25, 0.25) for _ in range(6)]
    )
    strength = rng.choice((0.1, 0.4, 1.0))
    bands = (strength * bands).astype(np.float32)
    return np.asarray(surface + (bands if rng.random() < 0.5 else bands[:, None])[..., None], np.float32)


def _like(sheet: Plane, rng: random.Random) -> Plane:
    """A little lighter or darker than the sheet, with grain, shading, or a sheen across."""
    # On white paper only a shade darker can be seen.
    way = -1 if sheet.mean() > 0.93 else rng.choice((-1, 1))
    off = way * rng.uniform(0.012, 0.1) + np.array([rng.uniform(-0.02, 0.02) for _ in range(3)])
    surface = np.ones((SIDE, SIDE, 3), np.float32) * (sheet + off).astype(np.float32)
    generator = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.5:
        grain = cv2.GaussianBlur(
            generator.standard_normal((SIDE, SIDE), np.float32), (0, 0), rng.uniform(0.5, 2)
        )
        surface += (rng.uniform(0.01, 0.06) * grain / grain.std())[..., None]
    if rng.random() < 0.6:
        ends = [rng.uniform(-0.1, 0.1) for _ in range(rng.randint(2, 4))]
        sheen = np.interp(np.linspace(0, 1, SIDE), np.linspace(0, 1, len(ends)), ends).astype(np.float32)
        surface += (sheen if rng.random() < 0.5 else sheen[:, None])[..., None]
    return surface


def _empty() -> Pixels:
    return np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)


def _soft(mask: Pixels, turn: float) -> Plane:
    share = np.asarray(cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / 255, np.float32)
    if not turn:
        return share
    around = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), np.degrees(turn), 0.85)
    return np.asarray(cv2.warpAffine(share, around, (SIDE, SIDE)), np.float32)


def _box(
    mask: Pixels, left: float, top: float, right: float, bottom: float, value: int = 255, slant: float = 0
) -> Pixels:
    corners = np.array([[left + slant, top], [right + slant, top], [right, bottom], [left, bottom]])
    cv2.fillPoly(mask, [np.rint(corners * SIDE * FINE * 2**_SUB).astype(np.int32)], value, cv2.LINE_AA, _SUB)
    return mask


def _curve(mask: Pixels, points: Points, thick: float, closed: bool = False) -> Pixels:
    dots = np.rint(points * SIDE * FINE * 2**_SUB).astype(np.int32)
    cv2.polylines(mask, [dots], closed, 255, max(2, round(thick * SIDE * FINE)), cv2.LINE_AA, _SUB)
    return mask


def _oval(x: float, y: float, across: float, down: float, start: float = 0, end: float = 2 * np.pi) -> Points:
    angles = np.linspace(start, end, 60)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1)


def _panel(rng: random.Random) -> list[Pixels]:
    """A frame with a panel in it, sometimes with a stand or legs."""
    left, top, slant = (
        rng.uniform(0.08, 0.3),
        rng.uniform(0.04, 0.2),
        rng.choice((0.0, rng.uniform(-0.12, 0.12))),
    )
    right, bottom, rim = 1 - rng.uniform(0.08, 0.3), 1 - rng.uniform(0.06, 0.3), rng.uniform(0.01, 0.08)
    parts = []
    if rng.random() < 0.5:
        legs = _empty()
        for x in (left + 0.02, right - 0.02):
            _curve(
                legs,
                np.array([[x, bottom - 0.05], [x + rng.uniform(-0.08, 0.08), 0.97]]),
                rng.uniform(0.01, 0.03),
            )
        parts.append(legs)
    parts.append(_box(_empty(), left, top, right, bottom, slant=slant))
    inner = left + rim, top + rim, right - rim, bottom - rim
    parts.append(_box(_empty(), *inner, slant=slant * (1 - 2 * rim)))
    if rng.random() < 0.4:  # doors, shelves, a drawing
        middle = (left + right) / 2
        parts.append(_box(_empty(), middle - 0.004, top + rim, middle + 0.004, bottom - rim))
    return parts


def _bar(rng: random.Random) -> list[Pixels]:
    """A long body with strips along its edges and discs on its front."""
    top, high = rng.uniform(0.25, 0.6), rng.uniform(0.06, 0.25)
    left, right = rng.uniform(0.02, 0.15), 1 - rng.uniform(0.02, 0.15)
    parts = [_box(_empty(), left, top, right, top + high)]
    for y in (top, top + high):
        if rng.random() < 0.7:
            strip = rng.uniform(0.006, 0.05)
            parts.append(_box(_empty(), left, y - strip / 2, right, y + strip / 2))
    discs = _empty()
    for number in range(rng.randint(0, 3)):
        x = left + (right - left) * (number + 1) / 4
        cv2.fillPoly(
            discs, [np.rint(_oval(x, top + high / 2, high / 3, high / 3) * SIDE * FINE).astype(np.int32)], 255
        )
    return [*parts, discs]


def _rack(rng: random.Random) -> list[Pixels]:
    """Posts and shelves, or a table, all of them thin: what lies between is sheet."""
    left, right, top = rng.uniform(0.1, 0.35), 1 - rng.uniform(0.1, 0.35), rng.uniform(0.03, 0.3)
    posts, shelves, thick = _empty(), _empty(), rng.uniform(0.008, 0.035)
    for x in (
        left,
        right,
        *((left + rng.uniform(0.03, 0.1), right - rng.uniform(0.03, 0.1)) if rng.random() < 0.4 else ()),
    ):
        _curve(posts, np.array([[x, top], [x, rng.uniform(0.9, 0.97)]]), thick)
    for number in range(rng.randint(1, 5)):
        y = top + number * rng.uniform(0.1, 0.22)
        if y < 0.92:
            _box(shelves, left, y, right, y + thick * rng.uniform(0.6, 3))
    return [posts, shelves]


def _coil(rng: random.Random) -> list[Pixels]:
    """Loops of a cable side by side, with plugs or grips on them."""
    thick, parts = rng.uniform(0.008, 0.03), []
    x, y, across, down = (
        rng.uniform(0.4, 0.6),
        rng.uniform(0.4, 0.65),
        rng.uniform(0.2, 0.42),
        rng.uniform(0.1, 0.35),
    )
    cable, gap = _empty(), thick * rng.uniform(1.0, 3.0)
    half = rng.random() < 0.4
    for number in range(rng.randint(1, 5)):
        shrink = number * gap
        if min(across, down) - shrink < 0.03:
            break
        start, end = (np.pi, 2 * np.pi) if half else (0.0, 2 * np.pi)
        _curve(
            cable, _oval(x + rng.uniform(-0.01, 0.01), y, across - shrink, down - shrink, start, end), thick
        )
    parts.append(cable)
    for _ in range(rng.randint(0, 2)):
        grip, angle, long = _empty(), rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.25)
        middle = np.array([x + across * np.cos(angle), y + down * np.sin(angle)])
        way = np.array([np.cos(angle * 2), np.sin(angle * 2)]) * long
        parts.append(
            _curve(grip, np.clip(np.stack([middle - way, middle + way]), 0.04, 0.96), rng.uniform(0.03, 0.1))
        )
    return parts


def _bag(rng: random.Random) -> list[Pixels]:
    """A body with one or two handles or straps, some hardly parted from each other."""
    top, left, right = rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.25), 1 - rng.uniform(0.1, 0.25)
    handles, thick = _empty(), rng.uniform(0.015, 0.05)
    middle, wide, high = rng.uniform(0.4, 0.6), rng.uniform(0.05, 0.25), rng.uniform(0.15, 0.3)
    for _ in range(rng.randint(1, 2)):
        shift = rng.uniform(-0.05, 0.05)
        _curve(handles, _oval(middle + shift, top + 0.02, wide, high, np.pi, 2 * np.pi), thick)
    return [handles, _box(_empty(), left, top, right, rng.uniform(0.8, 0.96), slant=rng.uniform(-0.04, 0.04))]


def _body(rng: random.Random) -> list[Pixels]:
    """Boxes, discs and rings on each other, mirrored."""
    parts = []
    for _ in range(rng.randint(2, 6)):
        mask, x, y = _empty(), rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.8)
        across, down = rng.uniform(0.02, 0.3), rng.uniform(0.02, 0.3)
        kind = rng.random()
        if kind < 0.45:
            _box(mask, max(0.03, x - across), max(0.03, y - down), x + across, min(0.97, y + down))
        elif kind < 0.7:
            dots = np.clip(_oval(x, y, across, down), 0.03, 0.97)
            cv2.fillPoly(mask, [np.rint(dots * SIDE * FINE).astype(np.int32)], 255, cv2.LINE_AA)
        else:
            _curve(mask, np.clip(_oval(x, y, across, down), 0.05, 0.95), rng.uniform(0.01, 0.06))
        parts.append(np.maximum(mask, mask[:, ::-1]) if rng.random() < 0.7 else mask)
    return parts
