"""Objects that nobody made: boxes on legs, frames, shelves, ladders, cables, blobs.

The catalogue holds shoes, watches and bags; these teach that a product may be thin, hollow or furniture.
"""

import random
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cutout.textures import plain, texture

Pixels = NDArray[np.uint8]

SIDE = 256
FINE = 2  # drawn so many times larger, for soft edges
_SUB = 3  # fractional bits of cv2's coordinates


def invent(rng: random.Random) -> Pixels:
    """uint8 RGBA [256, 256, 4]: an object about as large as the picture."""
    draw: Callable[[Pixels, random.Random], None] = rng.choice(
        (_blob, _boxes, _frame, _furniture, _ladder, _cable, _cable)
    )
    mask = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)
    draw(mask, rng)
    alpha = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    surface = (texture if rng.random() < 0.5 else plain)(SIDE, SIDE, rng)
    if rng.random() < 0.6:  # parts of another shade: a second drawing clipped to the first
        part = np.zeros_like(mask)
        rng.choice((_blob, _boxes, _frame))(part, rng)
        share = (
            cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
        )
        other = (texture if rng.random() < 0.3 else plain)(SIDE, SIDE, rng)
        surface = np.asarray(surface * (1 - share) + share * other, np.float32)
    if rng.random() < 0.7:  # rounded: darker where the outline is near
        depth = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
        light = rng.uniform(0.4, 0.9) + 0.6 * np.clip(depth / rng.uniform(3, 30), 0, 1)
        surface = np.asarray(surface * light[..., None], np.float32)
    rgb = np.rint(np.clip(surface, 0, 1) * 255).astype(np.uint8)
    return np.dstack([rgb, alpha])


def _at(rng: random.Random, low: float, high: float) -> int:
    return round(rng.uniform(low, high) * SIDE * FINE)


def _blob(mask: Pixels, rng: random.Random) -> None:
    corners = rng.randint(4, 12)
    angles = np.sort(np.array([rng.uniform(0, 2 * np.pi) for _ in range(corners)]))
    reach = np.array([rng.uniform(0.2, 0.48) for _ in range(corners)])
    if rng.random() < 0.6:  # smooth
        dense = np.linspace(0, 2 * np.pi, 90)
        reach, angles = np.interp(dense, angles, reach, period=2 * np.pi), dense
        reach = np.convolve(np.concatenate([reach[-8:], reach, reach[:8]]), np.ones(17) / 17, "valid")
    points = 0.5 + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(mask, [np.rint(points * SIDE * FINE * 2**_SUB).astype(np.int32)], 255, cv2.LINE_AA, _SUB)


def _boxes(mask: Pixels, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        centre, size = (_at(rng, 0.3, 0.7), _at(rng, 0.3, 0.7)), (_at(rng, 0.1, 0.7), _at(rng, 0.1, 0.7))
        corners = cv2.boxPoints((centre, size, rng.choice((0.0, 0.0, rng.uniform(0, 90)))))
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)


def _frame(mask: Pixels, rng: random.Random) -> None:
    left, top, right, bottom = (
        _at(rng, 0.05, 0.3),
        _at(rng, 0.05, 0.3),
        _at(rng, 0.7, 0.95),
        _at(rng, 0.7, 0.95),
    )
    thick = _at(rng, 0.015, 0.08)
    if rng.random() < 0.5:
        cv2.rectangle(mask, (left, top), (right, bottom), 255, thick)
    else:
        cv2.ellipse(
            mask,
            ((left + right) // 2, (top + bottom) // 2),
            ((right - left) // 2, (bottom - top) // 2),
            0,
            0,
            360,
            255,
            thick,
        )
    if rng.random() < 0.4:
        middle = (left + right) // 2
        cv2.line(mask, (middle, top), (middle, bottom), 255, thick)


def _furniture(mask: Pixels, rng: random.Random) -> None:
    """A body on two to four thin legs."""
    left, right = _at(rng, 0.05, 0.25), _at(rng, 0.75, 0.95)
    top, base = _at(rng, 0.05, 0.4), _at(rng, 0.45, 0.7)
    cv2.rectangle(mask, (left, top), (right, base), 255, -1)
    foot, thick, slant = _at(rng, 0.8, 0.97), max(2, _at(rng, 0.008, 0.05)), _at(rng, -0.08, 0.08)
    for number in range(legs := rng.randint(2, 4)):
        x = left + thick + (right - left - 2 * thick) * number // max(1, legs - 1)
        cv2.line(mask, (x, base), (x + (slant if number else -slant), foot), 255, thick)
    if rng.random() < 0.3:  # hollow, like a shelf
        cv2.rectangle(mask, (left + 2 * thick, top + 2 * thick), (right - 2 * thick, base - 2 * thick), 0, -1)


def _ladder(mask: Pixels, rng: random.Random) -> None:
    left, right, thick = _at(rng, 0.1, 0.35), _at(rng, 0.6, 0.9), max(3, _at(rng, 0.01, 0.04))
    top, bottom = _at(rng, 0.03, 0.15), _at(rng, 0.85, 0.97)
    for x in (left, right):
        cv2.line(mask, (x, top), (x, bottom), 255, thick)
    rungs = rng.randint(2, 7)
    solid = rng.random() < 0.4
    for number in range(rungs):
        y = top + (bottom - top) * (2 * number + 1) // (2 * rungs)
        cv2.line(mask, (left, y), (right, y), 255, 3 * thick if solid else thick)


def _cable(mask: Pixels, rng: random.Random) -> None:
    """One to three curves, with plugs at their ends."""
    for _ in range(rng.randint(1, 3)):
        knots = np.array([[rng.uniform(0.08, 0.92), rng.uniform(0.08, 0.92)] for _ in range(4)])
        t = np.linspace(0, 1, 60)[:, None]
        curve = (
            (1 - t) ** 3 * knots[0]
            + 3 * t * (1 - t) ** 2 * knots[1]
            + 3 * t**2 * (1 - t) * knots[2]
            + t**3 * knots[3]
        )
        points = np.rint(curve * SIDE * FINE).astype(np.int32)
        thick = max(3, _at(rng, 0.01, 0.06))
        cv2.polylines(mask, [points], False, 255, thick, cv2.LINE_AA)
        for end, before in ((points[0], points[6]), (points[-1], points[-7])):
            if rng.random() < 0.6:
                cv2.line(mask, tuple(map(int, end)), tuple(map(int, before)), 255, 3 * thick)
