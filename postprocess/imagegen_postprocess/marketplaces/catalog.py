"""The presets that come with imagegen: one JSON file a marketplace beside this module."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from imagegen_postprocess.errors import RecipeInvalid
from imagegen_postprocess.marketplaces.preset import Preset
from imagegen_postprocess.marketplaces.schema import read_preset


@cache
def preset_names() -> tuple[str, ...]:
    """The names of all presets, sorted."""
    folder = files("imagegen_postprocess.marketplaces")
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".json")))


@cache
def load_preset(name: str) -> Preset:
    """The preset of that name. Raises RecipeInvalid (field "preset") listing the names there are."""
    if name not in preset_names():  # also keeps a caller's text away from the file system
        raise RecipeInvalid(
            f"there is no preset {name!r}", field="preset", hint=f"There are {', '.join(preset_names())}"
        )
    file = files("imagegen_postprocess.marketplaces") / f"{name}.json"
    return read_preset(json.loads(file.read_text(encoding="utf-8")), name)
