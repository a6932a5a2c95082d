"""Cut-outs clean enough to teach from: those that the network before saw as the plain segmenter did.

The segmenter is sure of some cut-outs that hold a rest of shadow, or the white paper under a handle. Taught
on those, a network fills gaps.
"""

import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagegen_postprocess.background.network import coverage
from training.cutout.foregrounds import Foregrounds, read_foregrounds, write_foregrounds

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]

AGREED = 0.955  # intersection over union of both
PAPER, PATCH = 236, 0.01  # code value of all channels, share of the product: paper taken for product
GREY = 225  # of the sheet that they are shown on
MARGIN = 12


def screen_foregrounds(source: Path, target: Path) -> None:
    """Write the clean cut-outs among those of `source`; nothing where `target` is there already."""
    if not target.exists():
        write_foregrounds(target, screened(read_foregrounds(source)).encoded)


def screened(foregrounds: Foregrounds) -> Foregrounds:
    """The clean ones among `foregrounds`, in their order."""
    kept = []
    for number, encoded in enumerate(foregrounds.encoded):
        thing = foregrounds[number]
        if not _holds_paper(thing) and _agreed(thing):
            kept.append(encoded)
        if number % 500 == 499:
            log.info("%d cut-outs, %d clean", number + 1, len(kept))
    return Foregrounds(kept)


def _holds_paper(thing: Pixels) -> bool:
    solid = thing[..., 3] > 127
    white = ((thing[..., :3].min(axis=2) >= PAPER) & solid).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=4)
    largest = int(np.asarray(stats)[1:, cv2.CC_STAT_AREA].max(initial=0))
    return largest > PATCH * max(1, int(solid.sum()))


def _agreed(thing: Pixels) -> bool:
    padded = np.pad(thing, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))).astype(np.float32)
    share = padded[..., 3:] / 255
    shown = np.rint(share * padded[..., :3] + (1 - share) * GREY).astype(np.uint8)
    answer = coverage(shown, 1)
    truth = cv2.resize(share[..., 0], answer.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    found = answer > 0.5
    return float((found & truth).sum()) >= AGREED * float((found | truth).sum())
