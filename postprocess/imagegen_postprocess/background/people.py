"""A cheap sign that people are in a picture: skin within what the network took, and an outline it doubts.

The bundled network was never shown people: it cuts them off or takes half of them along. It does not know
people from a wooden chair with a cushion: it can only ask for a look.
"""

from __future__ import annotations

import cv2
import numpy as np

from imagegen_postprocess.subject import Mask, Pixels, Plane

# Chroma of skin of any tone in YCrCb: the box of Chai and Ngan, "Face segmentation using skin-color map in
# videophone applications" (1999).
_CR, _CB, _DARKEST = (133, 173), (77, 127), 60
SKIN = (0.03, 0.6)  # of the product: more than that is a thing of wood or leather
DOUBT = 0.06  # pixels between 0.15 and 0.85, beside those of the product
# Bounds from the 20 street photos of people: 18 of them lie within. Of 35 composites without people 4 do.


def may_hold_people(pixels: Pixels, answer: Plane) -> bool:
    """pixels: uint8 sRGB [H, W, 3]. answer: the network's coverage of it, float32 [h, w] in 0..1."""
    product = answer > 0.5
    size = float(product.sum())
    if not size:
        return False
    doubt = float(((answer > 0.15) & (answer < 0.85)).sum()) / size
    return doubt > DOUBT and SKIN[0] < float((_skin(pixels, answer.shape) & product).sum()) / size < SKIN[1]


def _skin(pixels: Pixels, shape: tuple[int, ...]) -> Mask:
    small = cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    light, red, blue = cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb))
    coloured = (light > _DARKEST) & (red >= _CR[0]) & (red <= _CR[1]) & (blue >= _CB[0]) & (blue <= _CB[1])
    # Single pixels of that colour are everywhere.
    return (
        np.asarray(cv2.morphologyEx(coloured.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))) > 0
    )
