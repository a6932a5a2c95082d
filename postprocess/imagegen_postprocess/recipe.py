"""The recipe: what finishing should do to a picture, as plain validated data.

Standard library only. It does not know how a step works, nor which cut-out models are present on this
machine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from imagegen_postprocess.errors import RecipeInvalid

if TYPE_CHECKING:
    from imagegen_postprocess.marketplaces.preset import Preset

MIN_SIDE = 16
MAX_SIDE = 8192

PARAMETERS: dict[str, dict[str, str]] = {
    "colour_card": {"strength": "colour_card"},
    "cutout": {"method": "cutout", "keep_shadow": "keep_shadow"},
    "uneven_light": {"strength": "uneven_light"},
    "white_balance": {"strength": "white_balance", "white_backdrop": "white_backdrop"},
    "exposure": {"strength": "exposure"},
    "brand_colour": {"target": "brand_colour"},
    "canvas": {
        "background": "background",
        "fill": "fill",
        "width": "width",
        "height": "height",
        "shadow": "shadow",
        "upscaler": "upscaler",
    },
    "sharpen": {"strength": "sharpen"},
}
"""Step -> its parameters as a recipe's file calls them -> the recipe's fields. In the usual order."""
STEPS = tuple(PARAMETERS)
OPTIONAL = ("colour_card", "uneven_light", "brand_colour", "sharpen")
"""The steps that are not heard of unless their parameter asks for them."""
SHADOWS = ("none", "contact", "drop")
ON_CANVAS = ("sharpen",)
"""The steps that work on the placed picture, so come after "canvas"; all others come before."""

METADATA = ("none", "credit", "camera")
"""What of a photo's EXIF data its finished picture may carry; provenance/metadata.py says which fields."""

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEX_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Recipe:
    """Ordered finishing steps and their strengths. Immutable, comparable, hashable.

    cutout: "auto" (the plain segmenter where the background is plain, else the bundled network), "plain",
        "bundled", "none", or the name of a rembg model ("u2netp", "isnet-general-use", ...).
    keep_shadow: a soft shadow on a plain background stays.
    background: "white" (exactly #ffffff), "transparent", or "#rrggbb".
    colour_card: 0 (do not look for one) to 1 (correct all colours by the ColorChecker in the picture).
    uneven_light: 0 to 1 (remove the whole change of light across the backdrop).
    brand_colour: "#rrggbb" that the product's dominant colour is to become, or None.
    shadow: "none", "contact" (a dark rim under the product) or "drop" (its outline, thrown on the wall).
    upscaler: the name of a super-resolution network that enlarges what has to be enlarged, or None: a
        resampler does. The network's file must be on this machine (canvas/upscalers.py).
    sharpen: 0 to 1, on the finished pixels, noise left out.
    white_balance: 0 (leave colours alone) to 1 (remove the whole measured cast).
    white_backdrop: the photographed backdrop is white, however warm or cool it looks: white balance does not
        ask itself whether it was chosen for its colour.
    exposure: 0 (leave brightness alone) to 1 (apply the whole measured gain).
    fill: 0.1 to 1.0. The product's bounding box fits fill * frame in both axes and touches it in one. In a
        square frame that is longest side of the box / side of the frame.
    width, height: the frame in pixels, 16 to 8192, both or neither. Neither: a square as wide as the longer
        side of the input picture.
    preset: the marketplace that the picture is for, which limits the file's format and bytes. `from_dict`
        also takes from it every field that is not given; here it fills in nothing.
    metadata: what of a photo's EXIF data is kept: "none", "credit" (author, copyright, description) or
        "camera" (also camera, lens, exposure, time). The place where it was taken never is.
    steps: the names of the steps in the order in which they run, each at most once; "canvas" is always one.
        A step that is left out does not run, whatever its strength.

    Raises RecipeInvalid, whose `field` names the culprit.
    """

    cutout: str = "auto"
    background: str = "white"
    white_balance: float = 1.0
    exposure: float = 1.0
    fill: float = 0.85
    width: int | None = None
    height: int | None = None
    preset: str | None = None
    steps: tuple[str, ...] = STEPS
    colour_card: float = 0.0
    uneven_light: float = 0.0
    brand_colour: str | None = None
    shadow: str = "none"
    sharpen: float = 0.0
    metadata: str = "none"
    keep_shadow: bool = True
    white_backdrop: bool = False
    upscaler: str | None = None

    def __post_init__(self) -> None:
        _require_cutout(self.cutout)
        for name in ("keep_shadow", "white_backdrop"):
            if not isinstance(getattr(self, name), bool):
                raise RecipeInvalid(
                    f"{name} is {getattr(self, name)!r}", field=name, hint="Use true or false"
                )
        object.__setattr__(self, "background", _require_background(self.background))
        shares = ("colour_card", "uneven_light", "white_balance", "exposure", "sharpen")
        for name, low in (*((share, 0.0) for share in shares), ("fill", 0.1)):
            object.__setattr__(self, name, _require_share(name, getattr(self, name), low))
        for name in ("width", "height"):
            _require_side(name, getattr(self, name))
        if (self.width is None) != (self.height is None):
            missing = "width" if self.width is None else "height"
            raise RecipeInvalid(
                f"{missing} is missing", field=missing, hint="Give width and height together, or neither"
            )
        if self.preset is not None:
            _preset(self.preset)
        object.__setattr__(self, "steps", _require_steps(self.steps))
        object.__setattr__(self, "brand_colour", _require_colour("brand_colour", self.brand_colour))
        if self.upscaler is not None and not _is_name(self.upscaler):
            raise RecipeInvalid(
                f"upscaler is {self.upscaler!r}", field="upscaler", hint="Use the name of a network, or null"
            )
        if self.shadow not in SHADOWS:
            raise RecipeInvalid(
                f"shadow is {self.shadow!r}", field="shadow", hint=f"Use {', '.join(SHADOWS)}"
            )
        if self.metadata not in METADATA:
            raise RecipeInvalid(
                f"metadata is {self.metadata!r}", field="metadata", hint=f"Use {', '.join(METADATA)}"
            )

    @property
    def active_steps(self) -> tuple[str, ...]:
        """The steps without those optional ones that nothing asks for."""
        return tuple(
            name for name in self.steps if name not in OPTIONAL or any(self.parameters(name).values())
        )

    def parameters(self, step: str) -> dict[str, Any]:
        """What the recipe says to one step, by the names that a recipe's file uses."""
        return {name: getattr(self, field) for name, field in PARAMETERS[step].items()}

    @property
    def background_rgb(self) -> tuple[int, int, int] | None:
        """The background as 8-bit sRGB, or None when it is transparent."""
        if self.background == "transparent":
            return None
        digits = "ffffff" if self.background == "white" else self.background[1:]
        return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, JSON-ready; `from_dict` gives an equal recipe back."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """A recipe from some of its fields. Unknown keys are refused: a misspelt field is not ignored.

        With a `preset` the fields that are not given are the marketplace's, not the defaults.
        """
        if not isinstance(values, Mapping):
            raise RecipeInvalid(f"a recipe must be a mapping, not {type(values).__name__}", field="recipe")
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise RecipeInvalid(
                    f"unknown recipe field {key!r}", field=str(key), hint=f"Known fields: {', '.join(known)}"
                )
        preset = values.get("preset")
        return cls(**({} if preset is None else _preset(preset).recipe_fields()) | dict(values))


def _preset(name: object) -> Preset:
    from imagegen_postprocess.marketplaces.catalog import load_preset  # it reads recipes itself

    if not isinstance(name, str):
        raise RecipeInvalid(f"preset is {name!r}", field="preset", hint="Use the name of a preset")
    return load_preset(name)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _MODEL_NAME.fullmatch(value) is not None


def _require_cutout(value: object) -> None:
    if not _is_name(value):
        raise RecipeInvalid(
            f"cutout is {value!r}",
            field="cutout",
            hint='Use "auto", "plain", "bundled", "none" or a model\'s name',
        )


def _require_background(value: object) -> str:
    lowered = value.lower() if isinstance(value, str) else ""
    if lowered not in ("white", "transparent") and not _HEX_COLOUR.fullmatch(lowered):
        raise RecipeInvalid(
            f"background is {value!r}", field="background", hint='Use "white", "transparent" or "#rrggbb"'
        )
    return lowered


def _require_colour(field: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _HEX_COLOUR.fullmatch(value.lower()):
        raise RecipeInvalid(f"{field} is {value!r}", field=field, hint='Use "#rrggbb"')
    return value.lower()


def _require_share(field: str, value: object, low: float) -> float:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not low <= number <= 1.0:  # also false for NaN; before float(), which fails for an int of 400 digits
        raise RecipeInvalid(f"{field} is {value!r}", field=field, hint=f"Use a number from {low:g} to 1")
    return float(number)


def _require_side(field: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not MIN_SIDE <= value <= MAX_SIDE:
        raise RecipeInvalid(
            f"{field} is {value!r}", field=field, hint=f"Use whole pixels from {MIN_SIDE} to {MAX_SIDE}"
        )


def _require_steps(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise RecipeInvalid(f"steps is {value!r}", field="steps", hint="Use a list of steps' names")
    for place, name in enumerate(value):
        if name not in STEPS:
            raise RecipeInvalid(
                f"there is no step {name!r}", field="steps", hint=f"There are {', '.join(STEPS)}"
            )
        if name in value[:place]:
            raise RecipeInvalid(f"the step {name!r} is there twice", field="steps", hint="Name it once")
    if "canvas" not in value:
        raise RecipeInvalid("the step 'canvas' is missing", field="steps", hint="Every picture gets a frame")
    canvas = list(value).index("canvas")
    for place, name in enumerate(value):
        if name != "canvas" and (place > canvas) != (name in ON_CANVAS):
            side = "after" if name in ON_CANVAS else "before"
            raise RecipeInvalid(f"the step {name!r} belongs {side} 'canvas'", field="steps", hint="Move it")
    return tuple(value)
