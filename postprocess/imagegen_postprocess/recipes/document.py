"""A recipe's file: YAML or JSON with a version, a title and the steps in order, each with its parameters.

    recipe: 1
    title: White, with a soft shadow
    steps:
      - cutout: {method: plain}
      - white_balance: {strength: 0.8}
      - exposure
      - canvas: {background: white, fill: 0.85, width: 1600, height: 1600}

A step that is not named does not run; a parameter that is not given has its default, or the preset's where
there is one. What the schema does not know is refused by name: a misspelt strength is not a default one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from imagegen_postprocess.errors import RecipeInvalid
from imagegen_postprocess.recipe import PARAMETERS, Recipe

VERSION = 1
_NAMED: dict[str, dict[str, Any]] = {
    "colour_card": {"strength": 1.0},
    "uneven_light": {"strength": 1.0},
    "sharpen": {"strength": 0.5},
}
"""What a step that is off by default does when a file names it and says no more."""
_MEMBERS = ("recipe", "title", "preset", "metadata", "steps")


def read_document(text: str, name: str) -> dict[str, Any]:
    """The fields that a recipe's file gives, for `Recipe.from_dict`.

    text: YAML or JSON. A report that stands beside a finished picture is a recipe's file too: its member
    "recipe" holds the whole of it. name: how messages call the file. Raises RecipeInvalid naming the field.
    """
    found = _parse(text, name)
    if isinstance(found, Mapping) and isinstance(found.get("recipe"), Mapping):
        found = found["recipe"]
    return _fields(found, name)


def title_of(text: str, name: str) -> str:
    """What a recipe's file says of itself; empty when it says nothing."""
    found = _parse(text, name)
    return str(found.get("title", "")) if isinstance(found, Mapping) else ""


def to_document(recipe: Recipe, title: str = "") -> dict[str, Any]:
    """The content of a recipe's file, JSON-ready; `read_document` gives an equal recipe back."""
    steps = [{name: recipe.parameters(name)} for name in recipe.steps]
    return {
        "recipe": VERSION,
        **({"title": title} if title else {}),
        **({"preset": recipe.preset} if recipe.preset is not None else {}),
        "metadata": recipe.metadata,
        "steps": steps,
    }


def _parse(text: str, name: str) -> object:
    import yaml

    # JSON first: to YAML 1.1 its number 1e-05 is a text, for want of a dot.
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RecipeInvalid(f"{name} is neither YAML nor JSON: {reason}", field="recipe") from error


def _fields(found: object, name: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        _refuse(name, "recipe", f"must be a mapping, not {type(found).__name__}")
    for key in found:
        if key not in _MEMBERS:
            _refuse(name, str(key), f"is unknown; known are {', '.join(_MEMBERS)}")
    if type(found.get("recipe")) is not int or found["recipe"] != VERSION:
        _refuse(name, "recipe", f"is {found.get('recipe')!r}; write the version of the format, {VERSION}")
    if not isinstance(found.get("title", ""), str):
        _refuse(name, "title", "must be a text")
    steps = found.get("steps")
    if not isinstance(steps, list) or not steps:
        _refuse(name, "steps", "must be a list of steps")
    fields: dict[str, Any] = {"steps": []}
    fields |= {key: found[key] for key in ("preset", "metadata") if found.get(key) is not None}
    for place, step in enumerate(steps):
        step_name, given = _step(step, name, f"steps[{place}]")
        fields["steps"].append(step_name)
        for parameter, value in {**_NAMED.get(step_name, {}), **given}.items():
            known = PARAMETERS.get(step_name, {})
            if step_name in PARAMETERS and parameter not in known:
                _refuse(
                    name,
                    f"steps[{place}].{step_name}.{parameter}",
                    f"is unknown; known are {', '.join(known)}",
                )
            fields[known.get(parameter, str(parameter))] = value
    try:
        Recipe.from_dict(fields)
    except RecipeInvalid as error:
        raise RecipeInvalid(f"{name}: {error.message}", field=error.field, hint=error.hint) from error
    return fields


def _step(step: object, name: str, field: str) -> tuple[str, Mapping[str, Any]]:
    """A step's name and parameters: "exposure", or {"exposure": {"strength": 0.5}}."""
    if isinstance(step, str):
        return step, {}
    if not isinstance(step, Mapping) or len(step) != 1:
        _refuse(name, field, "must be a step's name, or one name with its parameters")
    ((step_name, given),) = step.items()
    if given is not None and not isinstance(given, Mapping):
        _refuse(name, f"{field}.{step_name}", "must be a mapping of parameters")
    return str(step_name), given or {}


def _refuse(name: str, field: str, reason: str) -> NoReturn:
    raise RecipeInvalid(f"{name}: {field} {reason}", field=field)
