"""A product on a shop's plain sheet: even light, a soft shadow, mild noise, and often nearly its own colour.

A cut-out before a plain sheet is shown to the network closely framed, so these fill their frame.
"""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cutout.assemblies import assemble
from training.cutout.foregrounds import Foregrounds
from training.cutout.shapes import invent
from training.cutout.textures import Plane

Pixels = NDArray[np.uint8]

ASSEMBLED, INVENTED = 0.5, 0.08  # shares of invented objects; the rest are cut-outs
FILL = (0.62, 0.98)  # of the frame
ALIKE = 0.35  # share of products whose colours are moved towards the sheet's


def on_a_sheet(
    foregrounds: Foregrounds, width: int, height: int, rng: random.Random
) -> tuple[Pixels, Pixels]:
    """uint8 RGB [height, width, 3] and the product's coverage, uint8 [height, width]."""
    sheet = _sheet(width, height, rng)
    layer = _placed(_thing(foregrounds, sheet, rng), width, height, rng)
    colours, alpha = _relit(layer[..., :3], rng), layer[..., 3]
    if rng.random() < ALIKE:
        share, shade = np.float32(rng.uniform(0.3, 0.9)), np.float32(rng.uniform(0.7, 1.1))
        grey = colours.mean(axis=2, keepdims=True)
        colours = (1 - share) * colours + share * np.clip(
            sheet * shade + np.float32(0.3) * (grey - grey.mean()), 0, 1
        )
    behind = sheet * (1 - _shadow(alpha, rng))[..., None]
    over = alpha[..., None]
    # As light adds up; squares stand for sRGB's curve.
    picture = np.sqrt(over * colours * colours + (1 - over) * behind * behind)
    return _photographed(np.asarray(picture, np.float32), rng), np.rint(alpha * 255).astype(np.uint8)


def _thing(foregrounds: Foregrounds, sheet: Plane, rng: random.Random) -> Pixels:
    draw = rng.random()
    if draw < ASSEMBLED:
        return assemble(rng, sheet.mean(axis=(0, 1)))
    return invent(rng) if draw < ASSEMBLED + INVENTED else foregrounds[rng.randrange(len(foregrounds))]


def _placed(thing: Pixels, width: int, height: int, rng: random.Random) -> Plane:
    """Scaled, mirrored, sometimes turned: float32 RGBA, colours carried beyond the outline."""
    rows, columns = (np.flatnonzero((thing[..., 3] > 127).any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((height, width, 4), np.float32)
    thing = np.pad(thing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], ((3, 3), (3, 3), (0, 0)))
    if rng.random() < 0.2:
        thing = np.rot90(thing, rng.randrange(4))
    if rng.random() < 0.5:
        thing = thing[:, ::-1]
    tall, wide = thing.shape[:2]
    zoom = rng.uniform(*FILL) * min(width / wide, height / tall)
    alpha = thing[..., 3].astype(np.float32) / 255
    solid = np.clip((cv2.erode(alpha, np.ones((3, 3), np.uint8)) - 0.5) * 2, 0, 1) + 0.02 * alpha
    colours, known = (thing[..., :3] / np.float32(255)) * solid[..., None], solid
    weight = cv2.GaussianBlur(known, (0, 0), 1.5)[..., None]
    carried = cv2.GaussianBlur(colours, (0, 0), 1.5) / np.maximum(weight, 1e-4)
    straight = np.where((solid > 0.9)[..., None], thing[..., :3] / np.float32(255), np.clip(carried, 0, 1))
    move = np.array(
        [
            [zoom, 0, rng.uniform(0.2, 0.8) * (width - zoom * wide)],
            [0, zoom, rng.uniform(0.2, 0.8) * (height - zoom * tall)],
        ]
    )
    rgba = np.dstack([straight, alpha]).astype(np.float32)
    if zoom < 0.7:
        rgba = np.asarray(cv2.GaussianBlur(rgba, (0, 0), 0.35 / zoom), np.float32)
    layer = cv2.warpAffine(rgba, move, (width, height), flags=cv2.INTER_LINEAR)
    if zoom > 1.1:  # an enlarged outline, drawn sharp again
        layer[..., 3] = np.clip((layer[..., 3] - 0.5) * zoom + 0.5, 0, 1)
    edge = cv2.warpAffine(straight.astype(np.float32), move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.6:
        edge = edge + rng.uniform(0.3, 1.5) * (edge - cv2.GaussianBlur(edge, (0, 0), 1.2))
    return np.dstack([np.clip(edge, 0, 1), layer[..., 3]]).astype(np.float32)


def _relit(colours: Plane, rng: random.Random) -> Plane:
    if rng.random() < 0.3:
        colours = colours[..., rng.sample(range(3), 3)]
    if rng.random() < 0.1:
        colours = 1 - colours
    gain = np.array([rng.uniform(0.9, 1.1) for _ in range(3)], np.float32) * np.float32(
        rng.uniform(0.75, 1.15)
    )
    curve = np.linspace(0, 1, 1024, dtype=np.float32) ** np.float32(rng.uniform(0.7, 1.4))
    return curve[(np.clip(colours * gain, 0, 1) * 1023).astype(np.int16)]


def _sheet(width: int, height: int, rng: random.Random) -> Plane:
    kind = rng.random()
    tint = np.array([rng.uniform(0.96, 1) for _ in range(3)])
    if kind < 0.25:
        colour = np.ones(3)
    elif kind < 0.5:
        colour = rng.uniform(0.9, 1.0) * tint
    elif kind < 0.7:
        colour = rng.uniform(0.6, 0.92) * tint
    elif kind < 0.85:
        colour = np.array([rng.uniform(0.2, 1.0) for _ in range(3)])
    else:
        colour = rng.uniform(0.02, 0.35) * tint
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    fall = (
        1
        + (np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(0, 0.1)
        - (x * x + y * y) * rng.uniform(0, 0.08)
    )
    if rng.random() < 0.25:
        fall = np.ones_like(fall)
    return np.asarray(np.clip(colour * fall[..., None], 0, 1), np.float32)


def _shadow(alpha: Plane, rng: random.Random) -> Plane:
    """Share of the light that the product takes from the sheet."""
    height, width = alpha.shape
    side, kind, loss = max(height, width), rng.random(), np.zeros_like(alpha)
    rows = np.flatnonzero((alpha > 0.5).any(1))
    if kind < 0.5 and len(rows):  # lying before its feet, and dark where it touches
        floor, flat, lean = float(rows[-1]), rng.uniform(0.03, 0.25), rng.uniform(-0.3, 0.3)
        lower = floor + rng.uniform(-0.01, 0.02) * side
        move = np.array([[1, lean * flat, -lean * flat * floor], [0, flat, lower - flat * floor]])
        lying = cv2.warpAffine(alpha, move, (width, height))
        soft, near = (
            cv2.GaussianBlur(lying, (0, 0), rng.uniform(*reach) * side)
            for reach in ((0.01, 0.05), (0.003, 0.01))
        )
        loss = rng.uniform(0.1, 0.55) * soft + rng.uniform(0, 0.35) * near
    elif kind < 0.8:  # on the wall behind it, seen through its gaps as well
        move = np.array([[1, 0, rng.uniform(-0.05, 0.05) * side], [0, 1, rng.uniform(-0.01, 0.05) * side]])
        cast = cv2.warpAffine(alpha, move, (width, height))
        loss = rng.uniform(0.08, 0.4) * cv2.GaussianBlur(cast, (0, 0), rng.uniform(0.008, 0.05) * side)
    return np.asarray(loss, np.float32)


def _photographed(picture: Plane, rng: random.Random) -> Pixels:
    """Focus, noise, 8 bits, JPEG: mild, for what is shown has been reduced before."""
    if rng.random() < 0.4:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8)), np.float32)
    if rng.random() < 0.6:
        grain = np.random.default_rng(rng.getrandbits(32)).standard_normal(picture.shape, np.float32)
        picture = picture + grain * np.float32(rng.uniform(0.0005, 0.01))
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.4:
        file = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, rng.randint(75, 97)])[1]
        pixels = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(pixels)
