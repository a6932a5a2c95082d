"""GET /v1/presets: the marketplaces that a recipe may name, with every limit and where it is written."""

from __future__ import annotations

from fastapi import APIRouter

from imagegen.http.schemas.presets import PresetList, PresetObject
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen_postprocess import load_preset, preset_names


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/presets", tags=["presets"])

    @routes.get("")
    def list_presets() -> PresetList:
        """The presets that come with imagegen."""
        presets = [load_preset(name) for name in preset_names()]
        return PresetList(data=[PresetObject(id=preset.name, **preset.to_dict()) for preset in presets])

    return routes
