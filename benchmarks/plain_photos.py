"""Products on plain backgrounds at a shop's sizes, with an alpha that is exact by construction.

A cut-out (RGBA) is enlarged, its outline drawn sharp again, laid on a sheet in linear light, then
photographed: shadow, focus, noise, JPEG. The enlarged alpha is the truth, whoever made the cut-out: the
picture is composed by it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagegen_postprocess.colour.linear import to_lab

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

SIDES = (800, 1500)  # longer side of a picture
FILL = (0.55, 0.92)  # of the frame, by the product
SHAPES = (1.0, 1.0, 0.75, 1.33)  # width to height
EDGE = 1.5  # pixels over which an enlarged outline rises from 0 to 1
PALE = 12.0  # Delta E between rim and sheet below which an outline is hardly to be seen
HIDDEN = 6.0  # Delta E below which half of an outline cannot be told from noise and compression: camouflage
_RIM = 2.0  # pixels of a cut-out that hold some of its old background
_GAMMA = 2.2


@dataclass(frozen=True)
class PlainPhoto:
    """pixels: uint8 sRGB [H, W, 3]. alpha: float32 [H, W], exact. sheet: its kind. contrast: median Delta E
    between the product's rim and the clean sheet beside it."""

    pixels: Pixels
    alpha: Plane
    sheet: str
    contrast: float


def composite_foregrounds(folder: Path, leave_out: frozenset[str]) -> Iterator[tuple[str, Plane]]:
    """The products of composites with known alpha, as RGBA in 0..1, cropped."""
    for file in sorted(folder.glob("[0-9]*_alpha.png")):
        name = file.name.removesuffix("_alpha.png")
        if name in leave_out:
            continue
        with Image.open(folder / f"{name}.jpg") as photo, Image.open(file) as truth:
            alpha = np.asarray(np.asarray(truth.convert("L")) / np.float32(255), np.float32)
            colours = np.asarray(np.asarray(photo.convert("RGB")) / np.float32(255), np.float32)
            yield name, cropped(np.dstack([colours, alpha]))


def own_colours(rgba: Plane) -> Plane:
    """RGBA in 0..1 with a rim of the product's own colours: those of its inside are carried outward.

    The outermost pixels of any cut-out still hold a share of the background it was photographed on. Enlarged
    four times that would be a fringe several pixels wide which belongs to no product. Parts too thin to have
    an inside give the colours of their middle.
    """
    light, alpha = rgba[..., :3] ** _GAMMA, rgba[..., 3]
    depth = np.asarray(cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3), np.float32)
    middle = (depth > 0) & (depth >= np.asarray(cv2.dilate(depth, np.ones((5, 5), np.uint8))))
    pure = ((depth > _RIM) | middle).astype(np.float32)
    known, colours = pure > 0, light * pure[..., None]
    for reach in (1, 2, 4, 8, 16):
        weight = np.asarray(cv2.GaussianBlur(pure, (0, 0), reach))
        carried = np.asarray(cv2.GaussianBlur(light * pure[..., None], (0, 0), reach))
        fresh = ~known & (weight > 1e-3)
        colours[fresh] = carried[fresh] / weight[fresh, None]
        known |= fresh
    return np.dstack([np.clip(colours, 0, 1) ** (1 / _GAMMA), alpha]).astype(np.float32)


def cropped(rgba: Plane, margin: int = 6) -> Plane:
    rows, columns = (np.flatnonzero((rgba[..., 3] > 0.5).any(axis)) for axis in (1, 0))
    top, left = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
    return rgba[top : int(rows[-1]) + 1 + margin, left : int(columns[-1]) + 1 + margin]


def plain_photo(foreground: Plane, rng: random.Random) -> PlainPhoto:
    """foreground: float32 RGBA in 0..1, straight colours, a margin of alpha 0."""
    longer, shape = rng.randint(*SIDES), rng.choice(SHAPES)
    width, height = (longer, round(longer / shape)) if shape >= 1 else (round(longer * shape), longer)
    tall, wide = foreground.shape[:2]
    zoom = rng.uniform(*FILL) * min(width / wide, height / tall)
    size = max(1, round(wide * zoom)), max(1, round(tall * zoom))
    colours, alpha = _enlarged(own_colours(foreground), size, zoom)
    top = round(rng.uniform(0.3, 0.7) * (height - size[1]))
    left = round(rng.uniform(0.3, 0.7) * (width - size[0]))
    layer = np.zeros((height, width, 4), np.float32)
    layer[top : top + size[1], left : left + size[0]] = np.dstack([colours, alpha])
    kind, clean = _sheet(width, height, rng)
    sheet = clean * (1 - _shadow(layer[..., 3], rng))[..., None]
    share = layer[..., 3:]
    picture = (share * layer[..., :3] ** _GAMMA + (1 - share) * sheet**_GAMMA) ** np.float32(1 / _GAMMA)
    return PlainPhoto(
        _photographed(np.asarray(picture, np.float32), rng), layer[..., 3], kind, _contrast(layer, clean)
    )


def _enlarged(foreground: Plane, size: tuple[int, int], zoom: float) -> tuple[Plane, Plane]:
    light = foreground[..., :3] ** _GAMMA
    how = cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA
    colours = np.clip(cv2.resize(light, size, interpolation=how), 0, 1) ** (1 / _GAMMA)
    alpha = np.clip(cv2.resize(np.ascontiguousarray(foreground[..., 3]), size, interpolation=how), 0, 1)
    if zoom > 1:  # steeper about one half, so that the outline stays where it is
        alpha = np.clip((alpha - 0.5) * max(1.0, zoom / EDGE) + 0.5, 0, 1)
    return colours.astype(np.float32), alpha.astype(np.float32)


def _sheet(width: int, height: int, rng: random.Random) -> tuple[str, Plane]:
    """White, nearly white, grey, coloured or dark, most of them with light that falls off."""
    draw = rng.random()
    if draw < 0.25:
        kind, colour = "white", np.ones(3)
    elif draw < 0.55:
        kind, colour = "off-white", rng.uniform(0.92, 0.99) * _tint(rng, 0.97)
    elif draw < 0.75:
        kind, colour = "light grey", rng.uniform(0.72, 0.92) * _tint(rng, 0.97)
    elif draw < 0.9:
        kind, colour = "coloured", np.array([rng.uniform(0.35, 0.98) for _ in range(3)])
    else:
        kind, colour = "dark", rng.uniform(0.03, 0.3) * _tint(rng, 0.9)
    sheet = np.ones((height, width, 3), np.float32) * colour.astype(np.float32)
    if kind != "white" or rng.random() < 0.3:
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        angle = rng.uniform(0, 2 * np.pi)
        slope = (np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(0, 0.08)
        vignette = (x * x + y * y) * rng.uniform(0, 0.06)
        sheet = sheet * (1 + slope - vignette).astype(np.float32)[..., None]
    return kind, np.asarray(np.clip(sheet, 0, 1), np.float32)


def _shadow(alpha: Plane, rng: random.Random) -> Plane:
    """Share of the light that the product takes from the sheet, [H, W]."""
    height, width = alpha.shape
    side, loss = max(height, width), np.zeros_like(alpha)
    draw = rng.random()
    if draw < 0.55:  # it stands on the sheet: its own shape, flattened, and a dark line where it touches
        floor, flat = float(np.flatnonzero((alpha > 0.5).any(1))[-1]), rng.uniform(0.06, 0.18)
        lower = floor + rng.uniform(0, 0.015) * side
        lying = cv2.warpAffine(alpha, np.array([[1, 0, 0], [0, flat, lower - flat * floor]]), (width, height))
        wide = cv2.GaussianBlur(lying, (0, 0), rng.uniform(0.01, 0.03) * side)
        narrow = cv2.GaussianBlur(lying, (0, 0), rng.uniform(0.003, 0.006) * side)
        loss = rng.uniform(0.15, 0.45) * wide + rng.uniform(0, 0.25) * narrow
    elif draw < 0.7:  # it hangs or lies before the sheet
        move = np.array([[1, 0, rng.uniform(-0.03, 0.03) * side], [0, 1, rng.uniform(0, 0.03) * side]])
        cast = cv2.warpAffine(alpha, move, (width, height))
        loss = rng.uniform(0.1, 0.3) * cv2.GaussianBlur(cast, (0, 0), rng.uniform(0.012, 0.035) * side)
    return np.asarray(loss, np.float32)


def _tint(rng: random.Random, least: float) -> NDArray[np.float64]:
    return np.array([rng.uniform(least, 1) for _ in range(3)])


def _photographed(picture: Plane, rng: random.Random) -> Pixels:
    """Focus, noise, 8 bits, JPEG, as a shop's photo has them."""
    if rng.random() < 0.5:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8)), np.float32)
    if rng.random() < 0.7:
        grain = np.random.default_rng(rng.getrandbits(32)).standard_normal(picture.shape, np.float32)
        picture = picture + grain * np.float32(rng.uniform(0.5, 2.5) / 255)
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.85:
        quality = [cv2.IMWRITE_JPEG_QUALITY, rng.randint(70, 96)]
        file = cv2.imencode(".jpg", pixels[..., ::-1], quality)[1]
        pixels = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(pixels)


def _contrast(layer: Plane, sheet: Plane) -> float:
    solid = (layer[..., 3] > 0.5).astype(np.uint8)
    rim = (solid > 0) & (cv2.erode(solid, np.ones((9, 9), np.uint8)) == 0)
    own, behind = (
        to_lab(np.rint(colours[rim] * 255).astype(np.uint8)[None]) for colours in (layer[..., :3], sheet)
    )
    return float(np.median(np.linalg.norm(own - behind, axis=-1)))
