"""Surfaces that nobody photographed: wood, cloth, noise, tiles, walls; float32 RGB [h, w, 3] in 0..1."""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def texture(width: int, height: int, rng: random.Random) -> Plane:
    """One of the textured kinds."""
    return rng.choice((clouds, wood, cloth, tiles, stripes, speckle))(width, height, rng)


def plain(width: int, height: int, rng: random.Random) -> Plane:
    """White, grey or coloured, with a gradient of light and a vignette."""
    kind = rng.random()
    if kind < 0.35:
        colour = np.full(3, rng.uniform(0.88, 1.0)) * np.array([rng.uniform(0.96, 1.0) for _ in range(3)])
    elif kind < 0.6:
        colour = np.full(3, rng.uniform(0.02, 0.9)) * np.array([rng.uniform(0.93, 1.0) for _ in range(3)])
    else:
        colour = np.array([rng.uniform(0.05, 1.0) for _ in range(3)])
    surface = np.ones((height, width, 3), np.float32) * colour.astype(np.float32)
    y, x = _grid(width, height)
    angle = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(0, 0.3)
    vignette = (x * x + y * y) * rng.uniform(-0.05, 0.25)
    return np.asarray(np.clip(surface * (1 + slope - vignette)[..., None], 0, 1), np.float32)


def clouds(width: int, height: int, rng: random.Random) -> Plane:
    """Smooth noise of several octaves between two colours: stone, felt, a blurred room."""
    return _between(_octaves(width, height, rng, rng.randint(1, 5)), rng)


def wood(width: int, height: int, rng: random.Random) -> Plane:
    """Stretched rings in browns or greys, with planks."""
    grain = _octaves(width, height, rng, 3, stretch=rng.uniform(6, 20))
    rings = 0.5 + 0.5 * np.sin(grain * rng.uniform(15, 60))
    base = np.array([rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.5)], np.float32)
    surface = base * (0.75 + 0.25 * (0.5 * rings + 0.5 * grain))[..., None]
    plank = rng.randint(24, 120)
    if rng.random() < 0.6:
        surface[::plank] *= 0.5
    return _turned(surface.astype(np.float32), width, height, rng)


def cloth(width: int, height: int, rng: random.Random) -> Plane:
    """A weave with folds of light."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    period = rng.uniform(2.2, 9)
    weave = 0.5 + 0.25 * (np.sin(2 * np.pi * x / period) + np.sin(2 * np.pi * y / period))
    folds = _octaves(width, height, rng, 2)
    colour = np.array([rng.uniform(0.1, 1.0) for _ in range(3)], np.float32)
    return np.asarray(np.clip(colour * (0.5 + 0.2 * weave + 0.5 * folds)[..., None], 0, 1), np.float32)


def tiles(width: int, height: int, rng: random.Random) -> Plane:
    """A grid of tiles, bricks or keys, each of its own shade, with joints."""
    across, down = rng.randint(12, 90), rng.randint(12, 90)
    rows, columns = height // down + 2, width // across + 2
    first = np.array([rng.uniform(0.1, 0.95) for _ in range(3)])
    spread = rng.choice((0.05, 0.15, 0.5))
    shades = np.clip(
        first + spread * (np.random.default_rng(rng.getrandbits(32)).random((rows, columns, 3)) - 0.5), 0, 1
    )
    large = cv2.resize(
        shades.astype(np.float32), (columns * across, rows * down), interpolation=cv2.INTER_NEAREST
    )
    joint, shade = rng.randint(1, 4), rng.uniform(0, 1)
    for start in range(0, rows * down, down):
        large[start : start + joint] = shade
    for start in range(0, columns * across, across):
        large[:, start : start + joint] = shade
    top, left = rng.randrange(down), rng.randrange(across)
    return np.ascontiguousarray(large[top : top + height, left : left + width])


def stripes(width: int, height: int, rng: random.Random) -> Plane:
    """Stripes at any angle: slats, corrugated card, a rug."""
    y, x = _grid(width, height)
    angle = rng.uniform(0, np.pi)
    wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(6, 80))
    sharp = rng.uniform(1, 8)
    return _between((0.5 + 0.5 * np.tanh(sharp * wave)).astype(np.float32), rng)


def speckle(width: int, height: int, rng: random.Random) -> Plane:
    """Gravel, terrazzo, lawn: coarse noise."""
    noise = np.random.default_rng(rng.getrandbits(32)).random((height, width, 3), dtype=np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.6, 3.0))
    contrast = rng.uniform(1, 6)
    colour = np.array([rng.uniform(0.1, 0.9) for _ in range(3)], np.float32)
    return np.clip(colour + (blurred - 0.5) * contrast * 0.4, 0, 1).astype(np.float32)


def _grid(width: int, height: int) -> tuple[Plane, Plane]:
    y, x = np.meshgrid(
        np.linspace(-1, 1, height, dtype=np.float32),
        np.linspace(-1, 1, width, dtype=np.float32),
        indexing="ij",
    )
    return y, x


def _octaves(width: int, height: int, rng: random.Random, octaves: int, stretch: float = 1.0) -> Plane:
    generator = np.random.default_rng(rng.getrandbits(32))
    total, weight = np.zeros((height, width), np.float32), 1.0
    cells = rng.uniform(1.5, 6)
    for _ in range(octaves):
        shape = max(2, round(cells * (stretch if stretch > 1 else 1))), max(2, round(cells))
        total += weight * cv2.resize(
            generator.random(shape, dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        cells, weight = cells * rng.uniform(1.8, 3), weight * rng.uniform(0.3, 0.7)
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def _between(share: Plane, rng: random.Random) -> Plane:
    one, other = (np.array([rng.random() for _ in range(3)], np.float32) for _ in range(2))
    near = rng.uniform(0.15, 1.0)
    other = one + near * (other - one)
    return np.asarray(one + share[..., None] * (other - one), np.float32)


def _turned(surface: Plane, width: int, height: int, rng: random.Random) -> Plane:
    if rng.random() < 0.5:
        return surface
    return np.asarray(
        cv2.resize(np.ascontiguousarray(surface.transpose(1, 0, 2)), (width, height)), np.float32
    )
