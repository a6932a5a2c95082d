"""GrabCut (Rother, Kolmogorov, Blake 2004) between certain backdrop and strong evidence of product."""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.background.backdrop import Backdrop
from imagegen_postprocess.background.morphology import filled, grow, shrink, window
from imagegen_postprocess.subject import Mask, Pixels, Plane

ROUNDS = 2
SEED = 20_261
BRIDGED = 0.02  # of the longer side: gaps in a product's outline that count as closed


def grab_cut(lab: Plane, backdrop: Backdrop, outside: Mask, strong: Mask, shadow: Mask) -> Mask:
    """Which pixels are product. outside: surely backdrop. strong: surely product. shadow: probably backdrop.

    Weak differences inside the product's closed outline are probably product (white leather); outside of it
    they are probably compression: WebP and JPEG leave one to five Delta E around every dark edge.
    """
    reach = max(2, round(BRIDGED * max(outside.shape)))
    closed = filled(shrink(grow(strong, reach), reach))
    trimap = np.where(closed & ~shadow, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_PR_BGD))
    trimap[strong] = cv2.GC_FGD
    trimap[outside] = cv2.GC_BGD
    undecided = ~strong & ~outside
    if strong.any() and outside.any() and undecided.any():
        rows, columns = window(~outside, margin=6)
        part = np.ascontiguousarray(_contrast(lab, backdrop)[rows, columns])
        decided = np.ascontiguousarray(trimap[rows, columns])
        cv2.setRNGSeed(SEED)  # this thread's: the mixtures start from k-means, which draws random centres
        background, product = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(part, decided, (0, 0, 1, 1), background, product, ROUNDS, cv2.GC_INIT_WITH_MASK)
        trimap[rows, columns] = decided
    return np.asarray((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD))


def _contrast(lab: Plane, backdrop: Backdrop) -> Pixels:
    """The difference from the backdrop as an 8-bit picture.

    Differences instead of colours flatten uneven light; the logarithm lets three Delta E of a white shoe on
    white count beside sixty of a black one.
    """
    residual = lab - backdrop.surface
    stretched = np.sign(residual) * np.log1p(np.abs(residual) / 2) * 30 + 128
    return np.asarray(np.clip(np.rint(stretched), 0, 255), np.uint8)
