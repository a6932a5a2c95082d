"""A product before a scene, with exact alpha: what the network learns from and is judged on."""

import random
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cutout.foregrounds import Foregrounds
from training.cutout.scenes import Scenes
from training.cutout.shapes import invent
from training.cutout.textures import Plane

Pixels = NDArray[np.uint8]

INVENTED, SEVERAL = 0.22, 0.12  # shares of invented objects, of two or three products together
CUT_OFF = 0.12  # share of products that leave the picture
SHADOWED = 0.6


@dataclass(frozen=True)
class Composite:
    """pixels: uint8 RGB [H, W, 3]. alpha: uint8 [H, W], the product's coverage; its shadow is not product."""

    pixels: Pixels
    alpha: Pixels


class Composer:
    """Draws composites; the same `rng` draws the same picture."""

    def __init__(self, foregrounds: Foregrounds, scenes: Scenes) -> None:
        self.foregrounds, self.scenes = foregrounds, scenes

    def draw(self, width: int, height: int, rng: random.Random) -> Composite:
        scene = self.scenes.draw(width, height, rng)
        while True:
            layer = self._product(width, height, rng)
            if (layer[..., 3] > 0.5).mean() > 0.004:
                break
        alpha = layer[..., 3:]
        scene = shadowed(scene, alpha[..., 0], rng)
        product = _relit(layer[..., :3], rng)
        if rng.random() < 0.5:
            picture = alpha * product + (1 - alpha) * scene
        else:  # as light adds up
            picture = (alpha * product**2.2 + (1 - alpha) * scene**2.2) ** (1 / 2.2)
        return Composite(photographed(picture, rng), np.rint(alpha[..., 0] * 255).astype(np.uint8))

    def _product(self, width: int, height: int, rng: random.Random) -> Plane:
        """RGBA in 0..1, straight colours."""
        layer = np.zeros((height, width, 4), np.float32)
        for _ in range(rng.randint(2, 3) if rng.random() < SEVERAL else 1):
            thing = (
                invent(rng)
                if rng.random() < INVENTED
                else self.foregrounds[rng.randrange(len(self.foregrounds))]
            )
            placed = _placed(thing, width, height, rng)
            over = placed[..., 3:]
            layer[..., :3] = np.where(
                over > 0, over * placed[..., :3] + (1 - over) * layer[..., :3], layer[..., :3]
            )
            layer[..., 3:] = over + (1 - over) * layer[..., 3:]
        return layer


def _placed(thing: Pixels, width: int, height: int, rng: random.Random) -> Plane:
    """Turn, scale, stretch, mirror and move a cut-out into a frame, by one affine map."""
    tall, wide = thing.shape[:2]
    angle = rng.choice((0.0, 0.0, rng.gauss(0, 0.2), rng.uniform(-np.pi, np.pi)))
    stretch = rng.uniform(0.85, 1.18)
    mirror = rng.choice((-1.0, 1.0))
    across = (abs(wide * np.cos(angle)) + abs(tall * np.sin(angle))) * stretch
    down = (abs(wide * np.sin(angle)) + abs(tall * np.cos(angle))) / stretch
    zoom = rng.triangular(0.22, 1.0, 0.65) * min(width / across, height / down)
    free_x, free_y = width - zoom * across, height - zoom * down
    x, y = width / 2 + rng.uniform(-0.5, 0.5) * free_x, height / 2 + rng.uniform(-0.5, 0.5) * free_y
    if rng.random() < CUT_OFF:
        x += rng.uniform(-0.3, 0.3) * zoom * across
        y += rng.uniform(-0.3, 0.3) * zoom * down
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = zoom * np.diag([stretch, 1 / stretch]) @ turn @ np.diag([mirror, 1.0])
    shift = np.array([x, y]) - linear @ np.array([wide / 2, tall / 2])
    if zoom < 0.6:  # averaged before it is shrunk, against jagged edges
        thing = np.asarray(cv2.GaussianBlur(thing, (0, 0), 0.4 / zoom), np.uint8)
    mapped = (
        cv2.warpAffine(
            thing,
            np.hstack([linear, shift[:, None]]),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        ).astype(np.float32)
        / 255
    )
    colours, alpha = mapped[..., :3], mapped[..., 3:]
    # Colours of cut-outs are black where alpha is 0; carry the product's own outward before they are mixed.
    weight = cv2.blur(alpha, (7, 7))[..., None]
    carried = cv2.blur(colours * alpha, (7, 7)) / np.maximum(weight, 1e-3)
    colours = np.where(alpha > 0.9, colours, carried)
    if rng.random() < 0.5:
        sharp = colours + rng.uniform(0.2, 1.0) * (colours - cv2.GaussianBlur(colours, (0, 0), 1.2))
        colours = np.clip(sharp, 0, 1)
    return np.asarray(np.dstack([colours, alpha]), np.float32)


def _relit(colours: Plane, rng: random.Random) -> Plane:
    """The product in another light or another colour."""
    gain = np.array([rng.uniform(0.8, 1.2) for _ in range(3)], np.float32) * rng.uniform(0.7, 1.25)
    colours = np.asarray(np.clip(colours * gain, 0, 1) ** rng.uniform(0.7, 1.4), np.float32)
    if rng.random() < 0.25:
        colours = colours[..., rng.sample(range(3), 3)]
    if rng.random() < 0.08:
        colours = 1 - colours
    return np.asarray(colours, np.float32)


def shadowed(scene: Plane, alpha: Plane, rng: random.Random) -> Plane:
    """A cast or contact shadow under the product: the scene's own colour, darker."""
    if rng.random() > SHADOWED:
        return scene
    height, width = alpha.shape
    move = np.array(
        [[1, 0, rng.uniform(-0.05, 0.05) * width], [0, rng.uniform(0.9, 1.0), rng.uniform(0, 0.06) * height]]
    )
    if rng.random() < 0.3:  # flattened onto the floor
        rows = np.flatnonzero((alpha > 0.5).any(axis=1))
        if len(rows):
            flat = rng.uniform(0.05, 0.3)
            move = np.array([[1, rng.uniform(-0.3, 0.3), 0], [0, flat, (1 - flat) * float(rows[-1])]])
    cast = cv2.warpAffine(alpha, move, (width, height))
    shadow = np.asarray(cv2.GaussianBlur(cast, (0, 0), rng.uniform(0.008, 0.06) * max(width, height)))
    return np.asarray(scene * (1 - rng.uniform(0.1, 0.65) * shadow[..., None]), np.float32)


def photographed(picture: Plane, rng: random.Random) -> Pixels:
    """The camera's share: light, cast, focus, noise, 8 bits, JPEG."""
    height, width = picture.shape[:2]
    if rng.random() < 0.5:
        cast = np.array([rng.uniform(0.8, 1.15) for _ in range(3)], np.float32) * rng.uniform(0.7, 1.2)
        picture = picture * cast
    if rng.random() < 0.3:
        corner = np.array([[rng.uniform(0.6, 1.2) for _ in range(2)] for _ in range(2)], np.float32)
        picture = picture * cv2.resize(corner, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    if rng.random() < 0.3:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.1)), np.float32)
    if rng.random() < 0.5:
        generator = np.random.default_rng(rng.getrandbits(32))
        noise = generator.standard_normal((height, width, 3), dtype=np.float32)
        picture = picture + noise * rng.uniform(0.002, 0.03)
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, rng.randint(35, 95)]
        file = cv2.imencode(".jpg", pixels[..., ::-1], quality)[1]
        pixels = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(pixels)
