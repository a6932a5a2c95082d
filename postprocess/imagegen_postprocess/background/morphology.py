"""Boolean masks as shapes: brushes, floods from the border, fillings."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.subject import Mask, Pixels


def brush(radius: int) -> Pixels:
    """A filled disc, uint8 [2 * radius + 1, 2 * radius + 1]."""
    return np.asarray(
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8
    )


def grow(mask: Mask, radius: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), brush(radius))).astype(bool)


def shrink(mask: Mask, radius: int) -> Mask:
    """Erosion; beyond the picture's border everything counts as True."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), brush(radius))).astype(bool)


def flood(walkable: Mask, radius: int) -> Mask:
    """The part of a mask that reaches the border when walked with a brush of the given radius in pixels."""
    pad = radius + 1
    padded = np.pad(walkable, pad, constant_values=True)
    painted = grow(reaching_border(shrink(padded, radius)), radius)
    return painted[pad:-pad, pad:-pad] & walkable


def filled(mask: Mask) -> Mask:
    """The mask with everything that it encloses."""
    return ~reaching_border(~mask)


def reaching_border(mask: Mask) -> Mask:
    """The connected parts (4-neighbours) of a mask that contain a border pixel."""
    border = np.ones(mask.shape, bool)
    border[1:-1, 1:-1] = False
    return touching(mask, border)


def touching(mask: Mask, places: Mask) -> Mask:
    """The connected parts (4-neighbours) of a mask that contain a pixel of `places`."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    chosen = np.zeros(count, bool)
    chosen[labels[places]] = True
    chosen[0] = False
    return np.asarray(chosen[labels])


def window(mask: Mask, margin: int) -> tuple[slice, slice]:
    """Rows and columns around the True pixels, with a margin. The mask must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )
