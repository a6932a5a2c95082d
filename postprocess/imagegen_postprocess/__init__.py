"""Finish a product picture: cut out, balance, expose, place on a canvas, encode.

    >>> from imagegen_postprocess import Recipe, encode, finish
    >>> finished = finish(picture, Recipe(background="white", fill=0.85))
    >>> encode(finished.picture, "png")

Names are resolved on first use: importing the package pulls in none of numpy, OpenCV, Pillow or onnxruntime,
because `Recipe` is validated in places (requests, command lines) that never touch a pixel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagegen_postprocess.background.models import Models
    from imagegen_postprocess.encoding import encode, encode_within
    from imagegen_postprocess.errors import (
        CertificateInvalid,
        DependencyMissing,
        FinishingError,
        ModelFileMissing,
        ModelNotAllowed,
        PictureInvalid,
        PresetInvalid,
        ProductNotFound,
        RecipeInvalid,
    )
    from imagegen_postprocess.finishing import Finished, finish, finish_each
    from imagegen_postprocess.intake import open_picture
    from imagegen_postprocess.isolating import isolate
    from imagegen_postprocess.marketplaces.catalog import load_preset, preset_names
    from imagegen_postprocess.marketplaces.checker import CheckReport, check
    from imagegen_postprocess.marketplaces.preset import Preset
    from imagegen_postprocess.provenance.c2pa import SignedFile, signed_file_of
    from imagegen_postprocess.provenance.certificate import Identity, local_identity, read_identity
    from imagegen_postprocess.provenance.credentials import Credentials, read_credentials, sign
    from imagegen_postprocess.provenance.file_facts import FileFacts, origin_of, read_facts
    from imagegen_postprocess.provenance.inspection import Inspection, inspect_file
    from imagegen_postprocess.provenance.metadata import kept_exif
    from imagegen_postprocess.provenance.watermark import (
        Watermark,
        detect_watermark,
        embed_watermark,
        has_room,
    )
    from imagegen_postprocess.recipe import Recipe
    from imagegen_postprocess.recipes.catalog import load_recipe, open_recipe, recipe_names, recipe_text
    from imagegen_postprocess.recipes.choice import choose_recipe
    from imagegen_postprocess.recipes.document import read_document, title_of, to_document
    from imagegen_postprocess.report import FinishReport, StepReport

__all__ = [
    "CertificateInvalid",
    "CheckReport",
    "Credentials",
    "DependencyMissing",
    "FileFacts",
    "FinishReport",
    "Finished",
    "FinishingError",
    "Identity",
    "Inspection",
    "ModelFileMissing",
    "ModelNotAllowed",
    "Models",
    "PictureInvalid",
    "Preset",
    "PresetInvalid",
    "ProductNotFound",
    "Recipe",
    "RecipeInvalid",
    "SignedFile",
    "StepReport",
    "Watermark",
    "check",
    "choose_recipe",
    "detect_watermark",
    "embed_watermark",
    "encode",
    "encode_within",
    "finish",
    "finish_each",
    "has_room",
    "inspect_file",
    "isolate",
    "kept_exif",
    "load_preset",
    "load_recipe",
    "local_identity",
    "open_picture",
    "open_recipe",
    "origin_of",
    "preset_names",
    "read_credentials",
    "read_document",
    "read_facts",
    "read_identity",
    "recipe_names",
    "recipe_text",
    "sign",
    "signed_file_of",
    "title_of",
    "to_document",
]

_HOMES = {
    "CertificateInvalid": "errors",
    "CheckReport": "marketplaces.checker",
    "Credentials": "provenance.credentials",
    "DependencyMissing": "errors",
    "FileFacts": "provenance.file_facts",
    "FinishReport": "report",
    "Finished": "finishing",
    "FinishingError": "errors",
    "Identity": "provenance.certificate",
    "Inspection": "provenance.inspection",
    "ModelFileMissing": "errors",
    "ModelNotAllowed": "errors",
    "Models": "background.models",
    "PictureInvalid": "errors",
    "Preset": "marketplaces.preset",
    "PresetInvalid": "errors",
    "ProductNotFound": "errors",
    "Recipe": "recipe",
    "RecipeInvalid": "errors",
    "SignedFile": "provenance.c2pa",
    "StepReport": "report",
    "Watermark": "provenance.watermark",
    "check": "marketplaces.checker",
    "choose_recipe": "recipes.choice",
    "detect_watermark": "provenance.watermark",
    "embed_watermark": "provenance.watermark",
    "encode": "encoding",
    "encode_within": "encoding",
    "finish": "finishing",
    "finish_each": "finishing",
    "has_room": "provenance.watermark",
    "inspect_file": "provenance.inspection",
    "isolate": "isolating",
    "kept_exif": "provenance.metadata",
    "load_preset": "marketplaces.catalog",
    "load_recipe": "recipes.catalog",
    "local_identity": "provenance.certificate",
    "open_picture": "intake",
    "open_recipe": "recipes.catalog",
    "origin_of": "provenance.file_facts",
    "preset_names": "marketplaces.catalog",
    "read_credentials": "provenance.credentials",
    "read_document": "recipes.document",
    "read_facts": "provenance.file_facts",
    "read_identity": "provenance.certificate",
    "recipe_names": "recipes.catalog",
    "recipe_text": "recipes.catalog",
    "sign": "provenance.credentials",
    "signed_file_of": "provenance.c2pa",
    "title_of": "recipes.document",
    "to_document": "recipes.document",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # No module bears the name of a public function: importing it would bind the module over the function.
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
