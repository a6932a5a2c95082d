"""Which of the eleven basic colour names (Berlin and Kay 1969) a product on white goes by.

A product with a fair share of one hue is called by that hue, as sellers do: the rest is soles, shadows and
glare. Without one, its median lightness says black, grey or white. Regions are drawn in OKLCh (Ottosson
2020), where blues do not turn purple as they darken. All bounds were set on sharp training photos, whose
noisy labels they match in two of three; never on generated pictures.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

BASIC = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")

# Names in the catalogue whose pixels have one basic name. Left out, since people disagree: beige, cream,
# skin, nude, peach, khaki, olive, taupe, rust, mauve, teal, turquoise, magenta, multi; and since they say a
# shine and no colour: silver and steel (photos of them are white as often as grey), gold, copper, bronze,
# metallic.
BASIC_OF: dict[str, str] = {
    **{name: name for name in BASIC},
    "off white": "white",
    "charcoal": "grey",
    "navy blue": "blue",
    "maroon": "red",
    "burgundy": "red",
    "mustard": "yellow",
    "lime green": "green",
    "fluorescent green": "green",
    "sea green": "green",
    "lavender": "purple",
    "rose": "pink",
    "tan": "brown",
    "coffee brown": "brown",
    "mushroom brown": "brown",
}

BACKGROUND = 244  # all channels at least this (0..255) and connected to the border
HUE_SHARE = 0.3  # of the product, for a hue to outvote black, white and grey
FAINT = 0.02  # OKLCh chroma below which a pixel has no hue
HUE_BINS = 24
HUE_REACH = 30  # degrees to either side of the commonest hue that are the same colour
BLACK_BELOW, WHITE_ABOVE = 0.5, 0.75  # median OKLab lightness of a product without a hue

RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """sRGB uint8 [..., 3] -> OKLab [..., 3]: lightness 0..1, green-red and blue-yellow about -0.3..0.3."""
    share = pixels / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ RGB_TO_LMS.T) @ LMS_TO_OKLAB.T
    return lab


def product_mask(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels uint8 [H, W, 3] -> [H, W], true inside the product: its white parts count, its rim does not."""
    light = (pixels.min(axis=2) >= BACKGROUND).astype(np.uint8)
    _, regions = cv2.connectedComponents(light, connectivity=4)
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    outside = np.isin(regions, border[border > 0]) & (light > 0)
    inside = (~outside).astype(np.uint8)
    eroded = cv2.erode(inside, np.ones((3, 3), np.uint8))
    # A thin chain or pencil has no inside: then the rim has to do.
    return (eroded if eroded.sum() >= 0.25 * inside.sum() else inside) > 0


def colour_name(pixels: NDArray[np.uint8]) -> str:
    """The basic colour name of the product on a white square, uint8 [H, W, 3]; "white" without one."""
    mask = product_mask(pixels)
    if not mask.any():
        return "white"
    light, a, b = oklab(pixels[mask]).T
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    tinted = chroma >= FAINT
    bins = np.bincount((hue // (360 / HUE_BINS)).astype(int), chroma * tinted, HUE_BINS)
    strength = bins + 0.5 * (np.roll(bins, 1) + np.roll(bins, -1))
    peak = (strength.argmax() + 0.5) * (360 / HUE_BINS)
    offset = (hue - peak + 180) % 360 - 180
    same = tinted & (abs(offset) <= HUE_REACH)
    if same.mean() < HUE_SHARE:
        return name_of_lightness(float(np.median(light)))
    mean_hue = peak + np.average(offset[same], weights=chroma[same])
    # Above the middle of the chromas: shadows and glare only ever take colour away.
    return name_of_hue(mean_hue % 360, float(np.percentile(chroma[same], 60)), float(np.median(light[same])))


def clear_colour_name(pixels: NDArray[np.uint8]) -> str:
    """The name of a square picture, uint8 [H, H, 3], if it keeps it at half the size; else ""."""
    half = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
    name = colour_name(pixels)
    return name if colour_name(half) == name else ""


def name_of_lightness(light: float) -> str:
    """Black, grey or white for an OKLab lightness 0..1."""
    if light < BLACK_BELOW:
        return "black"
    return "white" if light > WHITE_ABOVE else "grey"


def name_of_hue(hue: float, chroma: float, light: float) -> str:
    """The chromatic basic name of an OKLCh colour: hue in degrees, chroma about 0..0.3, lightness 0..1.

    Brown is what is left of the warm hues once the vivid and light ones have their own names.
    """
    if 110 <= hue < 200:
        return "green"
    if 200 <= hue < 295:
        return "blue"
    if light >= 0.55 and (hue >= 343 or hue < 22):
        return "pink"
    if 295 <= hue < 355:
        return "purple"
    if hue >= 355 or hue < 20 or (hue < 33 and chroma >= 0.055):
        return "red"
    if 33 <= hue < 78 and chroma >= 0.11 and light >= 0.5:
        return "orange"
    if 78 <= hue < 110 and chroma >= 0.07 and light >= 0.58:
        return "yellow"
    return "brown"
