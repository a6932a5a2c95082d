"""Resample the product onto its frame and lay the background behind it, in premultiplied linear light."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagegen_postprocess.background.models import Models
from imagegen_postprocess.canvas.layout import Box, Layout, lay_out
from imagegen_postprocess.canvas.shadow import cast_shadow
from imagegen_postprocess.colour.linear import to_light, to_pixels
from imagegen_postprocess.errors import PictureInvalid
from imagegen_postprocess.recipe import Recipe
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Plane, Subject

# Alpha from which a pixel counts as product when its box is measured: fainter are soft shadows and filter
# tails.
PRODUCT_ALPHA = 0.5
VISIBLY_LARGER = 1.25  # times: less enlarging nobody sees, and nobody has to be told
RING = 0.01  # of the frame's shorter side: where a background is looked at
_FAINTEST_ALPHA = 1 / 255  # resampling rings below this; such pixels are background


def place(subject: Subject, recipe: Recipe, models: Models | None = None) -> tuple[Image.Image, StepNote]:
    """Put the product on a frame of the recipe's size and background.

    With an alpha: the product's box (alpha >= 0.5) is scaled to the fill ratio and centred; outside the
    alpha's support the background is exact. Without one the whole picture is fitted into the frame and the
    fill ratio is not applied, because nobody knows where the product is. Returns RGB, or RGBA for a
    transparent background. What has to be enlarged is enlarged by the recipe's upscaler first, if it names
    one; models: where its file is.
    """
    side = max(subject.width, subject.height)
    frame = (recipe.width or side, recipe.height or side)
    layout = _laid_out(subject, frame, recipe.fill)
    larger = layout.scale
    learned: Detail = {}
    notes: list[str] = []
    if recipe.upscaler is not None:
        from imagegen_postprocess.canvas.enlarge import enlarge
        from imagegen_postprocess.canvas.upscalers import find_upscaler

        # Even where nothing is enlarged: what is not there should not show at a batch's first small photo.
        find_upscaler(recipe.upscaler, models or Models())
        if larger > VISIBLY_LARGER:
            subject, learned, note = enlarge(subject, recipe.upscaler, models or Models())
            layout = _laid_out(subject, frame, recipe.fill)
            notes += [note] if note else []
    light, alpha = _resample(subject, layout.source, layout.size)
    if subject.alpha is not None:
        light, alpha = _clear_ring(light, alpha, layout.offset, frame)
    shade = None
    if recipe.shadow != "none" and subject.alpha is not None:
        on_frame = np.zeros((frame[1], frame[0]), np.float32)
        rows, columns = _window(alpha, layout.offset)
        on_frame[rows, columns] = alpha
        shade = cast_shadow(on_frame, recipe.shadow)
    picture = _composite(light, alpha, layout.offset, frame, recipe.background_rgb, shade)
    detail: Detail = {
        "width": frame[0],
        "height": frame[1],
        "product_box": [layout.target.left, layout.target.top, layout.target.right, layout.target.bottom],
        "fill": round(max(layout.target.width / frame[0], layout.target.height / frame[1]), 4),
        "scale": round(larger, 4),
        **learned,
    }
    if shade is not None:
        detail["shadow"] = recipe.shadow
    if subject.alpha is None:
        notes.append("no cut-out: the whole picture is fitted into the frame, fill is not applied")
        if recipe.background == "transparent":
            notes.append("no pixel of the picture became transparent")
    if larger > VISIBLY_LARGER:
        by = f" by {recipe.upscaler}" if "upscaler_factor" in learned else ""
        notes.append(f"upscaled {larger:.2f} times{by}")
    return picture, StepNote(True, detail, "; ".join(notes))


def _laid_out(subject: Subject, frame: tuple[int, int], fill: float) -> Layout:
    size = (subject.width, subject.height)
    if subject.alpha is None:
        return lay_out(Box(0, 0, *size), size, frame, 1.0)
    return lay_out(product_box(subject.alpha), size, frame, fill)


def product_box(alpha: Plane) -> Box:
    """The smallest box around the product in an alpha [H, W]; PictureInvalid when all of it is transparent.

    A product that is translucent throughout counts from half of its own greatest alpha.
    """
    product = alpha >= min(PRODUCT_ALPHA, float(alpha.max()) / 2)
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    if not alpha.any():
        raise PictureInvalid("the picture is transparent throughout: no product to place", field="picture")
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _resample(
    subject: Subject, source: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[Plane, Plane]:
    """The source part as premultiplied linear light [h, w, 3] and alpha [h, w]."""
    # Only what the filter can reach is turned into floats: Lanczos spans 3 source pixels times the reduction.
    reach = 4 + 4 * int(
        np.ceil(max(1.0, (source[2] - source[0]) / size[0], (source[3] - source[1]) / size[1]))
    )
    x0, y0 = max(0, int(source[0]) - reach), max(0, int(source[1]) - reach)
    x1, y1 = min(subject.width, int(source[2]) + reach + 1), min(subject.height, int(source[3]) + reach + 1)
    light = to_light(subject.pixels[y0:y1, x0:x1])
    alpha = np.ones(light.shape[:2], np.float32) if subject.alpha is None else subject.alpha[y0:y1, x0:x1]
    box = (source[0] - x0, source[1] - y0, source[2] - x0, source[3] - y0)
    # Lanczos rings visibly when it enlarges; Catmull-Rom (Pillow's bicubic) much less.
    enlarge = size[0] > source[2] - source[0]
    method = Image.Resampling.BICUBIC if enlarge else Image.Resampling.LANCZOS
    planes = [alpha, *(light[..., channel] * alpha for channel in range(3))]
    resized = [np.asarray(Image.fromarray(plane, "F").resize(size, method, box)) for plane in planes]
    overshoot = np.maximum(resized[0], 1.0)  # colour overshoots with alpha, and is brought back with it
    alpha = np.clip(resized[0], 0.0, 1.0)
    alpha[alpha < _FAINTEST_ALPHA] = 0.0
    premultiplied = np.clip(np.stack(resized[1:], axis=-1) / overshoot[..., None], 0.0, alpha[..., None])
    return premultiplied, alpha


def _clear_ring(
    light: Plane, alpha: Plane, offset: tuple[int, int], frame: tuple[int, int]
) -> tuple[Plane, Plane]:
    """Without what is faint near the frame's edge: a shadow's remains, which no product box counts, take
    the background from the ring where marketplaces measure it. The product itself is kept."""
    ring = max(1, round(RING * min(frame)))
    rows = offset[1] + np.arange(alpha.shape[0])
    columns = offset[0] + np.arange(alpha.shape[1])
    down, across = np.minimum(rows, frame[1] - 1 - rows), np.minimum(columns, frame[0] - 1 - columns)
    inside = np.clip((np.minimum(down[:, None], across) - ring) / ring, 0, 1)
    near = (inside < 1) & (alpha > 0)
    if not near.any():
        return light, alpha
    solid = np.clip((alpha[near] - 0.35) / (PRODUCT_ALPHA - 0.35), 0, 1)  # what counts as product stays
    kept = (inside[near] + (1 - inside[near]) * solid).astype(np.float32)
    light, alpha = light.copy(), alpha.copy()
    light[near] *= kept[:, None]
    alpha[near] *= kept
    alpha[alpha < _FAINTEST_ALPHA] = 0.0
    return light, alpha


def _window(alpha: Plane, offset: tuple[int, int]) -> tuple[slice, slice]:
    """Where on the frame a plane lies whose upper left corner is at `offset` (x, y)."""
    return (
        slice(offset[1], offset[1] + alpha.shape[0]),
        slice(offset[0], offset[0] + alpha.shape[1]),
    )


def _composite(
    light: Plane,
    alpha: Plane,
    offset: tuple[int, int],
    frame: tuple[int, int],
    background: tuple[int, int, int] | None,
    shade: Plane | None,
) -> Image.Image:
    """Premultiplied light over the background, as 8-bit sRGB; straight alpha when the background is None.

    shade: share of its light, [H, W] of the frame, that the background loses to a shadow.
    """
    window = _window(alpha, offset)
    if background is None:
        canvas = np.zeros((frame[1], frame[0], 4), np.uint8)
        if shade is not None:  # black that covers what a shadow takes; under the product it adds to its alpha
            canvas[..., 3] = np.rint(shade * 255)
            covered = shade[window]
            alpha = alpha + (1 - alpha) * covered
        straight = light / np.clip(alpha, _FAINTEST_ALPHA, 1)[..., None]
        canvas[window] = np.concatenate(
            [to_pixels(straight), np.rint(alpha * 255).astype(np.uint8)[..., None]], axis=-1
        )
        return Image.fromarray(canvas, "RGBA")
    behind = np.array(background, np.uint8)
    canvas = np.broadcast_to(behind, (frame[1], frame[0], 3)).copy()
    if shade is not None:
        canvas = to_pixels((1 - shade)[..., None] * to_light(behind))
        canvas[shade < 0.002] = behind
        behind = canvas[window]
    over = to_pixels(light + (1 - alpha)[..., None] * to_light(behind))
    canvas[window] = np.where(alpha[..., None] > 0, over, behind)
    return Image.fromarray(canvas, "RGB")
