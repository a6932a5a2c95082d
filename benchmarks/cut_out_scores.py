"""How near a cut-out is to the truth: overlap, error of the alpha, agreement of the outlines."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.float32]
Mask = NDArray[np.bool_]

TOLERANCE = 0.004  # of the longer side: how far two outlines may lie apart and still agree; at least 2 pixels


def scores(alpha: Alpha, truth: Alpha) -> dict[str, float]:
    """iou: of the pixels above one half. mae: mean absolute error of the alpha. boundary_f: harmonic mean of
    the shares of either outline within the tolerance of the other."""
    found, real = alpha > 0.5, truth > 0.5
    either = int((found | real).sum())
    return {
        "iou": float((found & real).sum() / either) if either else 1.0,
        "mae": float(np.abs(alpha - truth).mean()),
        "boundary_f": _boundary_f(found, real),
    }


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and median of each score, and the share of pictures at IoU 0.98 or better."""
    answer: dict[str, Any] = {"pictures": len(rows)}
    for name in rows[0]:
        values = [row[name] for row in rows]
        answer[name] = {
            "mean": round(float(np.mean(values)), 4),
            "median": round(float(np.median(values)), 4),
        }
    answer["share_at_iou_0.98"] = round(float(np.mean([row["iou"] >= 0.98 for row in rows])), 4)
    return answer


def _boundary_f(found: Mask, real: Mask) -> float:
    one, other = _outline(found), _outline(real)
    if not one.any() or not other.any():
        return float(one.any() == other.any())
    radius = max(2, round(TOLERANCE * max(found.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))

    def near(mask: Mask) -> Mask:
        return np.asarray(cv2.dilate(mask.astype(np.uint8), disc)) > 0

    precision, recall = (
        float((one & near(other)).sum() / one.sum()),
        float((other & near(one)).sum() / other.sum()),
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _outline(mask: Mask) -> Mask:
    inner = np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)) > 0
    return mask & ~inner
