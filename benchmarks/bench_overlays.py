"""The checker's sign of texts and logos: how often it warns of what was laid over, and how often for nothing.

    PYTHONPATH=.:postprocess .venv/bin/python -m benchmarks.bench_overlays

Needs ../shared/data. Finished product photos on white at 800 pixels, JPEG of quality 85.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable

import cv2
from PIL import Image, ImageDraw, ImageFont

from benchmarks.machine import describe_machine, write_results
from benchmarks.real_photos import products
from imagegen_postprocess import Recipe, finish
from imagegen_postprocess.marketplaces.look import look_at

SIDE = 800


def letters(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    height: float,
    fill: str | tuple[int, ...],
) -> None:
    at = place[0] * SIDE, place[1] * SIDE
    draw.text(at, text, fill=fill, font=ImageFont.load_default(size=height * SIDE))


def box(*shares: float) -> tuple[float, ...]:
    return tuple(share * SIDE for share in shares)


def text(picture: Image.Image) -> Image.Image:
    letters(ImageDraw.Draw(picture), (0.15, 0.03), "Leather bag, new 2026", 0.045, (40, 40, 40))
    return picture


def text_bar(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    draw.rectangle(box(0.1, 0.9, 0.9, 0.96), fill=(200, 30, 30))
    letters(draw, (0.2, 0.905), "FRETE GRATIS 20% OFF", 0.04, "white")
    return picture


def corner_logo(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    draw.ellipse(box(0.03, 0.03, 0.12, 0.12), fill=(20, 90, 160))
    letters(draw, (0.05, 0.05), "ACME", 0.025, "white")
    return picture


def price_badge(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    draw.ellipse(box(0.7, 0.05, 0.95, 0.3), fill=(230, 60, 20))
    letters(draw, (0.75, 0.14), "-30%", 0.07, "white")
    return picture


def layer(picture: Image.Image, draw_on: Callable[[ImageDraw.ImageDraw], None], turn: float) -> Image.Image:
    over = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw_on(ImageDraw.Draw(over))
    return Image.alpha_composite(picture.convert("RGBA"), over.rotate(turn)).convert("RGB")


def tiled_watermark(picture: Image.Image) -> Image.Image:
    def draw_on(draw: ImageDraw.ImageDraw) -> None:
        for down in range(-5, 11):
            for across in range(-3, 6):
                letters(draw, (0.35 * across, 0.18 * down), "sample shop", 0.045, (128, 128, 128, 90))

    return layer(picture, draw_on, 30)


def watermark_on_the_product(picture: Image.Image) -> Image.Image:
    return layer(
        picture, lambda draw: letters(draw, (0.3, 0.45), "myshop.com", 0.07, (255, 255, 255, 150)), 0
    )


OVERLAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "nothing": lambda picture: picture,
    "text": text,
    "text bar": text_bar,
    "corner logo": corner_logo,
    "price badge": price_badge,
    "tiled watermark": tiled_watermark,
    "see-through watermark on the product alone": watermark_on_the_product,
}


def as_jpeg(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=85)
    return Image.open(buffer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=60)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    warned: dict[str, list[tuple[bool, bool]]] = {name: [] for name in OVERLAYS}
    for _, photo in products(arguments.photos, skip=11):
        finished = finish(photo, Recipe(width=SIDE, height=SIDE, cutout="plain")).picture
        for name, laid_over in OVERLAYS.items():
            look = look_at(as_jpeg(laid_over(finished.copy())))
            warned[name].append(((look.parts or 0) > 1, bool(look.panels)))
    results = {
        "benchmark": "overlays",
        "machine": describe_machine(),
        "photos": arguments.photos,
        "warned_share": {
            name: {
                "any": round(sum(apart or panel for apart, panel in found) / len(found), 3),
                "things apart": round(sum(apart for apart, _ in found) / len(found), 3),
                "even patches": round(sum(panel for _, panel in found) / len(found), 3),
            }
            for name, found in warned.items()
        },
    }
    print(write_results("overlays", "cpu", results))


if __name__ == "__main__":
    main()
