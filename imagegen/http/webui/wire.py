"""The WebUI's parameters -> the ImageRequests they ask for, and artifacts -> its answer.

What would change the picture's content and cannot be done is refused by name. Knobs of samplers that this
model does not have (and that the tools always send) are accepted and named in `info` as ignored.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from imagegen import __version__
from imagegen.artifact import Artifact, Format
from imagegen.errors import InvalidRequest
from imagegen.http.photos import photo_of
from imagegen.http.schemas.webui import Img2Img, Txt2Img, WebuiAnswer
from imagegen.request import Fit, ImageRequest
from imagegen.weights.catalog import ModelCard
from imagegen_postprocess import FinishingError, Recipe

SAMPLER, SCHEDULER = "Euler", "Flow matching"
FORMATS: dict[str, Format] = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
MOST = 10  # pictures a request, as everywhere

_HONOURED = frozenset(
    "prompt seed steps width height batch_size n_iter send_images save_images recipe".split()  # noqa: SIM905
) | {"init_images", "denoising_strength", "resize_mode", "include_init_images"}
_FITS: tuple[Fit, ...] = ("stretch", "crop", "pad")  # by resize_mode
_REFUSED = ("enable_hr", "restore_faces", "tiling", "styles", "script_name", "subseed_strength")
_SETTINGS = ("sd_model_checkpoint", "samples_format")
_SAYS_NOTHING: dict[str, Sequence[Any]] = {
    "sampler_name": (SAMPLER, "", "Automatic"),
    "sampler_index": (SAMPLER, "", "Automatic"),
    "scheduler": (SCHEDULER, "", "Automatic", "automatic"),
    "subseed": (-1,),
    "seed_resize_from_h": (0, -1),
    "seed_resize_from_w": (0, -1),
    "do_not_save_samples": (True, False),
    "do_not_save_grid": (True, False),
    "override_settings_restore_afterwards": (True,),
}
"""Values of fields we have no use for that ask for nothing, beside empty ones."""


def read(body: Txt2Img, card: ModelCard, queue_size: int) -> list[ImageRequest]:
    """The pictures of a body. Raises InvalidRequest naming the field."""
    for field in _REFUSED:
        if getattr(body, field):
            raise InvalidRequest("is not supported here", field=field, hint="leave it out")
    for name, script in body.alwayson_scripts.items():
        if _does_something(script):
            raise InvalidRequest("no scripts run here", field=f"alwayson_scripts.{name}"[:200])
    pictures = body.batch_size * body.n_iter
    if pictures > min(MOST, queue_size):
        raise InvalidRequest(
            f"{pictures} pictures at once are more than {min(MOST, queue_size)}", field="batch_size"
        )
    request = ImageRequest(
        body.prompt,
        str(card.path),
        body.width,
        body.height,
        steps=body.steps,
        seed=None if body.seed == -1 else body.seed,
        recipe=_recipe(body),
    )
    return request.variants(pictures)


def with_photo(requests: Sequence[ImageRequest], body: Img2Img) -> list[ImageRequest]:
    """The pictures start from the body's. Raises InvalidRequest and InputFileInvalid naming the field."""
    if body.mask is not None:
        raise InvalidRequest(
            "masks are not honoured: the whole picture is made anew", field="mask", hint="leave it out"
        )
    if not 0 <= body.resize_mode < len(_FITS):
        raise InvalidRequest(
            f"must be 0 (stretch), 1 (crop) or 2 (fill), not {body.resize_mode}", field="resize_mode"
        )
    if len(body.init_images) != 1:
        raise InvalidRequest(f"must be one picture, not {len(body.init_images)}", field="init_images")
    photo, fit = photo_of(body.init_images[0], "init_images"), _FITS[body.resize_mode]
    return [replace(request, image=photo, strength=body.denoising_strength, fit=fit) for request in requests]


def format_of(settings: dict[str, Any], standing: str) -> Format:
    """The files' format: the request's `samples_format`, else the one that was set before."""
    name = settings.get("samples_format", standing)
    if not isinstance(name, str) or name not in FORMATS:
        raise InvalidRequest("must be png, jpg or webp", field="override_settings.samples_format")
    return FORMATS[name]


def ignored(body: Txt2Img) -> list[str]:
    """Fields that asked for something and changed nothing."""
    sent = body.model_dump(exclude_unset=True)
    settings = sent.pop("override_settings", {})
    found = [name for name, value in sent.items() if name not in _HONOURED and _asks(name, value)]
    return sorted([*found, *(f"override_settings.{name}" for name in settings if name not in _SETTINGS)])


def answer(
    body: Txt2Img, card: ModelCard, artifacts: Sequence[Artifact], format: Format, stored: Sequence[str]
) -> WebuiAnswer:
    """The wire form of what was made; `stored` are the ids of pictures that were kept."""
    images = [base64.b64encode(artifact.encode(format)).decode("ascii") for artifact in artifacts]
    return WebuiAnswer(
        images=images if body.send_images else [],
        parameters=body.model_dump(exclude=_unsaid(body)),
        info=json.dumps(_info(body, card, artifacts, stored)),
    )


def _info(
    body: Txt2Img, card: ModelCard, artifacts: Sequence[Artifact], stored: Sequence[str]
) -> dict[str, Any]:
    requests = [artifact.request for artifact in artifacts if artifact.request is not None]
    seeds = [request.seed for request in requests]
    first = requests[0] if requests else None
    return {
        "prompt": body.prompt,
        "all_prompts": [body.prompt] * len(seeds),
        "negative_prompt": "",
        "all_negative_prompts": [""] * len(seeds),
        "seed": seeds[0] if seeds else body.seed,
        "all_seeds": seeds,
        "width": first.width if first else body.width,
        "height": first.height if first else body.height,
        "steps": first.steps if first else body.steps,
        "sampler_name": SAMPLER,
        "cfg_scale": card.guidance,
        "batch_size": body.batch_size,
        "sd_model_name": card.name,
        "infotexts": [
            f"{body.prompt}\nSteps: {request.steps}, Sampler: {SAMPLER}, Seed: {request.seed}, "
            f"Size: {request.width}x{request.height}, Model: {card.name}, Version: imagegen {__version__}"
            for request in requests
        ],
        **({"denoising_strength": body.denoising_strength} if isinstance(body, Img2Img) else {}),
        "imagegen": {
            "ignored": ignored(body),
            "artifacts": list(stored),
            "warnings": list(dict.fromkeys(text for artifact in artifacts for text in artifact.warnings)),
        },
    }


def _unsaid(body: Txt2Img) -> set[str]:
    """The WebUI does not send a picture back as a parameter, unless it is asked to."""
    return {"init_images"} if isinstance(body, Img2Img) and not body.include_init_images else set()


def _recipe(body: Txt2Img) -> Recipe | None:
    if body.recipe is False:
        return None
    try:
        return Recipe.from_dict(body.recipe or {})
    except FinishingError as error:
        field = f"recipe.{error.field}" if error.field else "recipe"
        raise InvalidRequest(error.message, field=field, hint=error.hint) from error


def _asks(name: str, value: Any) -> bool:
    if value in (None, "", [], {}) or value is False:
        return False
    if name == "alwayson_scripts":
        return False  # refused above, unless every one of them is off
    return value not in _SAYS_NOTHING.get(name, ())


def _does_something(script: Any) -> bool:
    """The tools switch a script off by sending it without arguments, or with False for the first one."""
    arguments = script.get("args") if isinstance(script, dict) else script
    return bool(arguments) and arguments != [False]
