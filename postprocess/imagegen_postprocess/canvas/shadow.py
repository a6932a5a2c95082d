"""A shadow for a product that was cut out: so that it stands on something."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.subject import Plane

CONTACT_LOSS, DROP_LOSS = 0.60, 0.30  # share of the background's light at the darkest place
LIFT = 0.20  # of the product's size: what hangs so high above the ground has a third of the shadow


def cast_shadow(alpha: Plane, kind: str) -> Plane:
    """Share of the light, 0..1, that each pixel of the frame [H, W] loses to the shadow of an alpha [H, W].

    kind: "contact", a soft dark rim under the lower outline, as on a table under a soft lamp from above;
    "drop", the whole outline thrown a little down and to the right, as on a wall behind.
    """
    height = len(alpha)
    solid = alpha > 0.5
    if kind == "none" or not solid.any():
        return np.zeros_like(alpha)
    rows = np.flatnonzero(solid.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    size = max(bottom - top, int(np.ptp(np.flatnonzero(solid.any(axis=0)))) + 1)
    if kind == "drop":
        step = max(1, round(0.02 * size))
        thrown = np.zeros_like(alpha)
        thrown[step:, step:] = alpha[:-step, :-step]
        return np.asarray(DROP_LOSS * cv2.GaussianBlur(thrown, (0, 0), max(0.8, 0.025 * size)), np.float32)
    # Along the lower outline, and fainter the higher it hangs above the ground.
    columns = np.flatnonzero(solid.any(axis=0))
    lowest = height - 1 - solid[::-1, columns].argmax(axis=0)
    weight = np.exp(-(bottom - 1 - lowest) / (LIFT * size)).astype(np.float32)
    thickness = max(1, round(0.02 * size))
    pool = np.zeros_like(alpha)
    for step in range(-thickness, thickness + 1):
        pool[np.clip(lowest + step, 0, height - 1), columns] = weight
    soft = cv2.GaussianBlur(pool, (0, 0), sigmaX=max(0.8, 0.025 * size), sigmaY=max(0.6, 0.012 * size))
    return np.asarray(CONTACT_LOSS * np.clip(soft / max(1e-6, float(soft.max())), 0, 1), np.float32)
