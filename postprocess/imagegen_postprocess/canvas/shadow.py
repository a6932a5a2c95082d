"""A shadow for a product that was cut out: so that it stands on something."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.subject import Plane

CONTACT_LOSS, DROP_LOSS = 0.55, 0.30  # share of the background's light at the darkest place


def cast_shadow(alpha: Plane, kind: str) -> Plane:
    """Share of the light, 0..1, that each pixel of the frame [H, W] loses to the shadow of an alpha [H, W].

    kind: "contact", a flat dark pool under the lowest part, as on a table under a soft lamp from above;
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
    # What touches the ground: the lowest tenth, pressed flat onto the line of the feet.
    depth = max(2, round(0.10 * size))
    foot = alpha[max(0, bottom - depth) : bottom].max(axis=0)
    thickness = max(1, round(0.018 * size))
    pool = np.zeros_like(alpha)
    pool[max(0, bottom - thickness) : min(height, bottom + max(1, thickness // 2))] = foot
    soft = cv2.GaussianBlur(pool, (0, 0), sigmaX=max(0.8, 0.02 * size), sigmaY=max(0.6, 0.010 * size))
    return np.asarray(CONTACT_LOSS * np.clip(soft / max(1e-6, float(soft.max())), 0, 1), np.float32)
