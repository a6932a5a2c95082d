"""What stands behind the product: plain sheets, textures, tables before walls, photos out of focus."""

import random
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cutout.foregrounds import Foregrounds
from training.cutout.textures import Plane, plain, texture
from training.products import HELD_OUT_PERCENT, read_products

# Shares of plain sheets, textures, table and wall, photos; the rest are photos far out of focus.
PLAIN, TEXTURED, TABLE, PHOTO = 0.24, 0.2, 0.2, 0.08
CLUTTERED = 0.4  # share of scenes with other products in them, out of focus


class Scenes:
    """Backgrounds drawn from CC0 photos of garments and from textures."""

    def __init__(self, photos: list[bytes], clutter: Foregrounds) -> None:
        self.photos, self.clutter = photos, clutter

    def draw(self, width: int, height: int, rng: random.Random) -> Plane:
        """A scene without its product: float32 RGB [height, width, 3] in 0..1."""
        kind = rng.random()
        if kind < PLAIN:
            scene = plain(width, height, rng)
            if rng.random() < 0.7:
                return scene
        elif kind < PLAIN + TEXTURED:
            scene = texture(width, height, rng)
        elif kind < PLAIN + TEXTURED + TABLE:
            scene = self._table(width, height, rng)
        else:
            scene = self._photo(width, height, rng)
            focus = rng.uniform(0, 2) if kind < PLAIN + TEXTURED + TABLE + PHOTO else rng.uniform(3, 16)
            scene = _blurred(scene, focus)
        if rng.random() < CLUTTERED:
            scene = self._with_clutter(scene, rng)
        return scene

    def _table(self, width: int, height: int, rng: random.Random) -> Plane:
        wall = rng.choice((plain, texture, self._photo))(width, height, rng)
        table = rng.choice((plain, texture))(width, height, rng)
        edge = round(height * rng.uniform(0.35, 0.85))
        scene = _blurred(wall, rng.uniform(0, 10))
        scene[edge:] = table[edge:]
        return _blurred(scene, rng.choice((0.0, rng.uniform(0, 6))))

    def _photo(self, width: int, height: int, rng: random.Random) -> Plane:
        """A crop of a photo, so that the garment in it is rarely whole."""
        encoded = np.frombuffer(rng.choice(self.photos), np.uint8)
        photo = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
        share = rng.uniform(0.3, 0.8)
        across, down = max(8, round(photo.shape[1] * share)), max(8, round(photo.shape[0] * share))
        left, top = rng.randint(0, photo.shape[1] - across), rng.randint(0, photo.shape[0] - down)
        part = np.rot90(photo[top : top + down, left : left + across], rng.randrange(4))
        resized = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(resized / np.float32(255), np.float32)

    def _with_clutter(self, scene: Plane, rng: random.Random) -> Plane:
        """Other things behind the product, never as sharp as it."""
        height, width = scene.shape[:2]
        scene = scene.copy()
        for _ in range(rng.randint(1, 4)):
            thing = self.clutter[rng.randrange(len(self.clutter))]
            longest = rng.uniform(0.2, 0.9) * max(width, height)
            zoom = longest / max(thing.shape[:2])
            size = max(2, round(thing.shape[1] * zoom)), max(2, round(thing.shape[0] * zoom))
            interpolation = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
            thing = np.asarray(cv2.resize(thing, size, interpolation=interpolation), np.uint8)
            if rng.random() < 0.5:
                thing = np.rot90(thing, rng.randrange(4))
            layer = np.zeros((height, width, 4), np.float32)
            _lay(
                layer,
                thing,
                rng.randint(-size[0] // 2, width - size[0] // 2),
                rng.randint(-size[1] // 2, height - size[1] // 2),
            )
            layer[..., :3] *= layer[..., 3:]
            layer = _blurred(layer, rng.uniform(2.5, 9))
            scene = scene * (1 - layer[..., 3:]) + layer[..., :3]
        return np.asarray(scene, np.float32)


def read_photos(parquet: Path, held_out: bool) -> list[bytes]:
    """The encoded photos of one split, by their own number: their titles are all alike."""
    return [
        product.encoded
        for product in read_products(parquet)
        if (zlib.crc32(product.identifier.encode()) % 100 < HELD_OUT_PERCENT) == held_out
    ]


def _lay(layer: Plane, thing: NDArray[np.uint8], left: int, top: int) -> None:
    """Put an RGBA thing (uint8) into an empty layer (float), cut at its borders."""
    height, width = layer.shape[:2]
    rows = slice(max(0, top), min(height, top + thing.shape[0]))
    columns = slice(max(0, left), min(width, left + thing.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = thing[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    layer[rows, columns] = part.astype(np.float32) / 255


def _blurred(scene: Plane, sigma: float) -> Plane:
    return scene if sigma < 0.3 else np.asarray(cv2.GaussianBlur(scene, (0, 0), sigma), np.float32)
