from __future__ import annotations

import subprocess
import sys

import pytest

import imagegen_postprocess


def test_the_public_face() -> None:
    assert (
        dir(imagegen_postprocess)
        == imagegen_postprocess.__all__
        == [
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
    )
    for name in imagegen_postprocess.__all__:
        assert getattr(imagegen_postprocess, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'finnish'"):
        _ = imagegen_postprocess.finnish


def test_recipes_are_made_without_any_image_library() -> None:
    code = (
        "import sys; from imagegen_postprocess import FinishingError, FinishReport, Recipe, load_preset; "
        "Recipe.from_dict({'preset': 'amazon'}).to_dict(); "
        "print([m for m in ('cv2', 'numpy', 'PIL', 'onnxruntime', 'rembg', 'torch') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_plain_finish_needs_neither_onnxruntime_nor_rembg() -> None:
    code = (
        "import sys; from imagegen_postprocess import Recipe, finish; from PIL import Image; "
        "photo = Image.new('RGB', (64, 64), 'white'); photo.paste((40, 60, 160), (20, 20, 44, 44)); "
        "finish(photo, Recipe(cutout='plain')); "
        "print([m for m in ('onnxruntime', 'rembg', 'torch') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
