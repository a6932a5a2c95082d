"""Writing an answer: artifacts -> OpenAI's members and ours."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from imagegen.artifact import Artifact, Format
from imagegen.errors import GenerationFailed
from imagegen.http.from_wire import encoding_quality
from imagegen.http.schemas.images import (
    AnswerDetails,
    ImageGeneration,
    ImagesAnswer,
    Picture,
    PictureDetails,
    Quality,
    TokenDetails,
    Usage,
)
from imagegen.weights.catalog import ModelCard

if TYPE_CHECKING:
    from PIL.Image import Image

IGNORED = ("moderation", "style", "user", "safety_identifier")
_SAME_AS: dict[Quality, Literal["low", "medium", "high", "xhigh", "max"]] = {
    "auto": "medium",
    "low": "low",
    "medium": "medium",
    "standard": "medium",
    "high": "high",
    "hd": "high",
    "xhigh": "xhigh",
    "max": "max",
}


def answer(
    body: ImageGeneration,
    format: Format,
    card: ModelCard,
    artifacts: Sequence[Artifact],
    url_of: Callable[[Artifact], str],
) -> ImagesAnswer:
    """The wire form of what was made, in files of this format; `url_of` stores a picture and says where."""
    pictures = []
    for artifact in artifacts:
        if body.response_format == "url":
            picture = Picture(url=url_of(artifact), imagegen=_details(artifact))
        else:
            data = artifact.encode(format, quality=encoding_quality(body))
            picture = Picture(b64_json=base64_of(data), imagegen=_details(artifact))
        pictures.append(picture)
    first = artifacts[0].picture
    return ImagesAnswer(
        created=int(time.time()),
        data=pictures,
        background="transparent"
        if any(_see_through(artifact.picture) for artifact in artifacts)
        else "opaque",
        output_format=format,
        quality=quality_of(body),
        size=f"{first.width}x{first.height}",
        usage=_usage(card, artifacts),
        imagegen=AnswerDetails(
            model=card.name, ignored=[name for name in IGNORED if getattr(body, name) is not None]
        ),
    )


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def quality_of(body: ImageGeneration) -> Literal["low", "medium", "high", "xhigh", "max"] | None:
    """OpenAI's name of the quality; None when steps were asked for instead."""
    return None if body.steps is not None else _SAME_AS[body.quality]


def _details(artifact: Artifact) -> PictureDetails:
    request, recipe, made = artifact.request, artifact.recipe, artifact.provenance
    if request is None or request.seed is None or request.steps is None:
        raise GenerationFailed("the picture came without the request that made it")
    return PictureDetails(
        seed=request.seed,
        steps=request.steps,
        seconds=round(artifact.seconds, 4),
        timings={phase: round(seconds, 4) for phase, seconds in artifact.timings.items()},
        generated_size=f"{made.generated_width}x{made.generated_height}",
        recipe=None if recipe is None else recipe.to_dict(),
        report=None if artifact.report is None else artifact.report.to_dict(),
        warnings=list(artifact.remarks),
    )


def _see_through(picture: Image) -> bool:
    """Whether any pixel is: a product that could not be cut out keeps its background, whatever was asked."""
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)


def _usage(card: ModelCard, artifacts: Sequence[Artifact]) -> Usage:
    text = card.text_length * len(artifacts)
    seen = sum(a.reference_tokens for a in artifacts)
    image = sum(
        ((a.provenance.generated_width or 0) // card.multiple)
        * ((a.provenance.generated_height or 0) // card.multiple)
        for a in artifacts
    )
    return Usage(
        input_tokens=text + seen,
        input_tokens_details=TokenDetails(text_tokens=text, image_tokens=seen),
        output_tokens=image,
        output_tokens_details=TokenDetails(text_tokens=0, image_tokens=image),
        total_tokens=text + seen + image,
    )
