"""Products drawn by code with an exact alpha, on plain backdrops: pictures with known answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from imagegen_postprocess.colour.linear import to_light, to_pixels

Array = npt.NDArray[np.float32]
Colour = tuple[int, int, int]

_FINE = 4  # drawn this many times larger, then averaged: edges get exact fractions


@dataclass(frozen=True)
class Drawn:
    """colour: linear light [S, S, 3]. alpha: [S, S] in 0..1."""

    colour: Array
    alpha: Array

    @property
    def solid(self) -> npt.NDArray[np.bool_]:
        return self.alpha > 0.5


def bag(side: int = 256, colour: Colour = (150, 40, 48)) -> Drawn:
    """A handbag: a body with a flap and a buckle, and a handle to see through."""

    def draw(pen: ImageDraw.ImageDraw, mask: ImageDraw.ImageDraw, u: float) -> None:
        dark = tuple(int(value * 0.7) for value in colour)
        for target, fill in ((pen, dark), (mask, 255)):
            target.ellipse((76 * u, 30 * u, 180 * u, 170 * u), outline=fill, width=round(9 * u))
            target.rounded_rectangle((44 * u, 108 * u, 212 * u, 222 * u), 18 * u, fill=fill)
        pen.rounded_rectangle((46 * u, 110 * u, 210 * u, 220 * u), 16 * u, fill=colour)
        pen.rectangle((46 * u, 140 * u, 210 * u, 146 * u), fill=dark)
        pen.rectangle((116 * u, 132 * u, 140 * u, 156 * u), fill=(196, 168, 92))

    return _drawn(side, draw)


def ball(side: int = 256, colour: Colour = (196, 180, 40)) -> Drawn:
    """A disc of one colour: at its edge nothing but product and backdrop is mixed."""

    def draw(pen: ImageDraw.ImageDraw, mask: ImageDraw.ImageDraw, u: float) -> None:
        for target, fill in ((pen, colour), (mask, 255)):
            target.ellipse((60 * u, 60 * u, 196 * u, 196 * u), fill=fill)

    return _drawn(side, draw)


def watch(side: int = 256, dial: Colour = (250, 250, 250)) -> Drawn:
    """A watch with a dark strap and a white dial, which is no hole."""

    def draw(pen: ImageDraw.ImageDraw, mask: ImageDraw.ImageDraw, u: float) -> None:
        for target, strap, case in ((pen, (52, 44, 40), (120, 122, 128)), (mask, 255, 255)):
            target.rounded_rectangle((102 * u, 14 * u, 154 * u, 242 * u), 12 * u, fill=strap)
            target.ellipse((70 * u, 70 * u, 186 * u, 186 * u), fill=case)
        pen.ellipse((84 * u, 84 * u, 172 * u, 172 * u), fill=dial)
        pen.line((128 * u, 128 * u, 128 * u, 96 * u), fill=(20, 20, 20), width=round(4 * u))
        pen.line((128 * u, 128 * u, 152 * u, 140 * u), fill=(20, 20, 20), width=round(4 * u))

    return _drawn(side, draw)


def shoe(side: int = 256, colour: Colour = (243, 243, 241)) -> Drawn:
    """A shoe, white unless asked otherwise, with a grey sole, an outline and a lace panel."""

    def draw(pen: ImageDraw.ImageDraw, mask: ImageDraw.ImageDraw, u: float) -> None:
        outline = [(30, 96), (84, 84), (122, 120), (200, 142), (232, 160), (236, 178), (28, 178)]
        upper = [(x * u, y * u) for x, y in outline]
        shade = tuple(int(value * 0.93) for value in colour)
        pen.polygon(upper, fill=colour, outline=shade, width=round(3 * u))
        pen.polygon(
            [(x * u, y * u) for x, y in ((96, 98), (122, 120), (160, 132), (136, 150))], fill=(70, 90, 150)
        )
        pen.rounded_rectangle((24 * u, 172 * u, 240 * u, 192 * u), 8 * u, fill=(176, 176, 174))
        mask.polygon(upper, fill=255)
        mask.rounded_rectangle((24 * u, 172 * u, 240 * u, 192 * u), 8 * u, fill=255)

    return _drawn(side, draw)


def photograph(
    product: Drawn,
    backdrop: Colour = (255, 255, 255),
    *,
    noise: float = 0.0,
    slope: float = 0.0,
    light: tuple[float, float, float] = (1.0, 1.0, 1.0),
    shadow: float = 0.0,
    seed: int = 0,
) -> Image.Image:
    """The product before a backdrop, as 8-bit sRGB.

    noise: deviation in code values. slope: relative fall of the backdrop's light from left to right. light:
    gain per channel of the lamp on everything. shadow: share of light that a soft shadow under the product
    takes.
    """
    side = len(product.alpha)
    alpha = product.alpha[..., None]
    behind = to_light(np.full((side, side, 3), backdrop, np.uint8))
    behind = behind * (1 - slope * np.linspace(0, 1, side, dtype=np.float32))[None, :, None]
    if shadow:
        cast = Image.fromarray(np.rint(product.alpha * 255).astype(np.uint8))
        cast = cast.resize((side, side // 4)).filter(ImageFilter.GaussianBlur(side / 48))
        dimmed = np.zeros((side, side), np.float32)
        bottom = int(np.flatnonzero(product.solid.any(axis=1))[-1]) + side // 40
        rows = dimmed[max(0, bottom - side // 4) : bottom]
        rows[:] = np.asarray(cast, np.float32)[-len(rows) :] / 255
        behind = behind * (1 - shadow * dimmed)[..., None]
    seen = (product.colour * alpha + behind * (1 - alpha)) * np.array(light, np.float32)
    pixels = to_pixels(seen.astype(np.float32)).astype(np.float64)
    pixels += np.random.default_rng(seed).normal(0, noise, pixels.shape) if noise else 0
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


Draw = Callable[[ImageDraw.ImageDraw, ImageDraw.ImageDraw, float], None]


def _drawn(side: int, draw: Draw) -> Drawn:
    size, unit = (side * _FINE, side * _FINE), side * _FINE / 256
    colour, mask = Image.new("RGB", size), Image.new("L", size)
    draw(ImageDraw.Draw(colour), ImageDraw.Draw(mask), unit)
    alpha = np.asarray(mask, np.float32).reshape(side, _FINE, side, _FINE).mean(axis=(1, 3)) / 255
    light = to_light(np.asarray(colour)) * (np.asarray(mask) > 0)[..., None]
    light = light.reshape(side, _FINE, side, _FINE, 3).mean(axis=(1, 3))
    own = light / np.maximum(alpha, 1e-6)[..., None]
    return Drawn(own.astype(np.float32), alpha.astype(np.float32))
