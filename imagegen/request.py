"""What is asked for: one finished picture.

A request knows its own limits (field by field) and nothing about which models exist: whether a model can make
a size or a number of steps is the engine's question.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, get_args

from imagegen.errors import InvalidRequest
from imagegen.photo import Photo
from imagegen_postprocess import Recipe

MAX_PROMPT_CHARACTERS = (
    32_000  # OpenAI's limit for its image models, so that a client written for it is never surprised
)
MIN_SIDE, MAX_SIDE = 64, 8192  # pixels
MAX_STEPS = 100
MAX_SEED = 2**32 - 1
MAX_VARIANTS = 100

Fit = Literal["pad", "crop", "stretch"]
FITS: tuple[Fit, ...] = get_args(Fit)
DEFAULT_STRENGTH = 0.6

_PLAIN = ("prompt", "model", "width", "height", "steps", "seed")
_SIZE = re.compile(r"(\d+)\s*[xX×]\s*(\d+)")


class Priority(StrEnum):
    """How urgent a request is: INTERACTIVE goes before BATCH, wherever both wait."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture: what it shows, by which model, how large, how finished.

    prompt   1 to 32,000 characters that are not only blanks.
    model    a name from `imagegen models list`, or the path of a checkpoint folder.
    width, height
             pixels of the FINISHED picture, 64 to 8192, both or neither; None is the model's own size.
    steps    denoising steps, 1 to 100; None is the model's own number (4 for a distilled one).
    seed     0 to 2**32 - 1; None draws one, and the artifact says which. The same seed gives the same
             picture on one machine.
    recipe   how the picture is finished; None leaves the model's pixels as they are, and then the size must
             be one that the model makes.
    image    a photo to start from: noise is laid over it and taken away again as the prompt says. Without a
             size the picture gets the photo's shape, as near as the model makes it.
    strength how much of `image` may change, 0 to 1; None is 0.6, or 1 without an image.
    fit      how `image` gets to the model's size when it has another shape: "pad" (whole, its border
             continued), "crop" (the middle) or "stretch".
    references
             photos to look at, for a model that was taught to; in the order the prompt speaks of them.

    Raises InvalidRequest that names the field.
    """

    prompt: str
    model: str = "starter"
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    seed: int | None = None
    recipe: Recipe | None = field(default_factory=Recipe)
    image: Photo | None = None
    strength: float | None = None
    fit: Fit = "pad"
    references: tuple[Photo, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InvalidRequest(
                "the prompt is empty", field="prompt", hint="describe the product in a few words"
            )
        if len(self.prompt) > MAX_PROMPT_CHARACTERS:
            raise InvalidRequest(
                f"the prompt has {len(self.prompt):,} characters; {MAX_PROMPT_CHARACTERS:,} are accepted",
                field="prompt",
            )
        try:
            self.prompt.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                "the prompt holds half a character (a lone surrogate)", field="prompt"
            ) from error
        if not self.model.strip():
            raise InvalidRequest("the model's name is empty", field="model")
        if (self.width is None) != (self.height is None):
            raise InvalidRequest("width and height go together", field="size", hint="give both or neither")
        for side in (self.width, self.height):
            if side is not None:
                _check_range(
                    side, "size", MIN_SIDE, MAX_SIDE, "each side must be {low} to {high} pixels, not {value}"
                )
        if self.steps is not None:
            _check_range(self.steps, "steps", 1, MAX_STEPS, "must be {low} to {high}, not {value}")
        if self.seed is not None:
            _check_range(self.seed, "seed", 0, MAX_SEED, "must be {low} to {high}, not {value}")

        if self.strength is not None:
            if self.image is None:
                raise InvalidRequest("belongs to an image to start from", field="strength")
            if isinstance(self.strength, bool) or not 0 <= self.strength <= 1:
                raise InvalidRequest(f"must be 0 to 1, not {self.strength}", field="strength")
        if self.fit not in FITS:
            raise InvalidRequest(f"must be {', '.join(FITS[:-1])} or {FITS[-1]}", field="fit")

    @property
    def photos(self) -> tuple[Photo, ...]:
        """Every photo that it brings along, each once."""
        start = () if self.image is None else (self.image,)
        return tuple(dict.fromkeys((*start, *self.references)))

    def with_photos(self, change: Callable[[Photo], Photo]) -> ImageRequest:
        """The same request with every photo changed: read from where it is kept, or without its file."""
        if not self.photos:
            return self
        image = None if self.image is None else change(self.image)
        return replace(self, image=image, references=tuple(map(change, self.references)))

    def to_dict(self) -> dict[str, Any]:
        """The request as JSON values; of photos their ids. What has to do with photos is there when they
        are."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        found = {**plain, "recipe": None if self.recipe is None else self.recipe.to_dict()}
        if self.image is not None:
            found |= {"image": self.image.id, "strength": self.strength, "fit": self.fit}
        if self.references:
            found["references"] = [photo.id for photo in self.references]
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageRequest:
        """The request that `to_dict` wrote, its photos without their files. Raises InvalidRequest."""
        fields = dict(values)
        if fields["recipe"] is not None:
            fields["recipe"] = Recipe.from_dict(fields["recipe"])
        if "image" in fields:
            fields["image"] = Photo(fields["image"], "image")
        if "references" in fields:
            ids = fields["references"]
            fields["references"] = tuple(Photo(id, f"references[{i}]") for i, id in enumerate(ids))
        return cls(**fields)

    def seeded(self) -> ImageRequest:
        """The same request with a seed: its own, or one drawn now."""
        return self.variants(1)[0]

    def variants(self, n: int) -> list[ImageRequest]:
        """`n` requests (1 to 100) that differ only in their seeds: seed, seed + 1, ... modulo 2**32."""
        _check_range(n, "n", 1, MAX_VARIANTS, "must be {low} to {high}, not {value}")
        first = self.seed if self.seed is not None else secrets.randbelow(MAX_SEED + 1)
        return [replace(self, seed=(first + i) % (MAX_SEED + 1)) for i in range(n)]


def parse_size(text: str) -> tuple[int, int] | None:
    """(width, height) from "WxH"; None from "auto". Raises InvalidRequest(field="size") for anything else."""
    if text.strip().lower() == "auto":
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(
            f"{text!r} is not a size",
            field="size",
            hint='write it as WIDTHxHEIGHT, like "1024x1024", or "auto"',
        )
    return int(match[1]), int(match[2])


def _check_range(value: int, name: str, low: int, high: int, message: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"must be a whole number, not {value!r}", field=name)
    if not low <= value <= high:
        raise InvalidRequest(message.format(low=low, high=high, value=value), field=name)
