"""The names imagegen promises, and what importing it may load: asking for help must not wait for torch."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import imagegen

HEAVY = {
    "PIL", "cv2", "diffusers", "fastapi", "numba", "numpy", "onnxruntime",
    "rembg", "scipy", "skimage", "sqlalchemy", "torch", "transformers", "triton",
}  # fmt: skip
LOADED = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def modules_loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statement`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; {LOADED}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names() -> None:
    assert imagegen.__all__ == [
        "Artifact",
        "ImageRequest",
        "ImagegenError",
        "Photo",
        "Recipe",
        "Settings",
        "Studio",
        "__version__",
    ]


@pytest.mark.parametrize("name", [name for name in imagegen.__all__ if name != "__version__"])
def test_every_name_is_there_and_knows_its_own(name: str) -> None:
    assert getattr(imagegen, name).__name__ == name


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="'studio_of_dreams'"):
        _ = imagegen.studio_of_dreams


def test_the_version_is_the_installed_one() -> None:
    assert imagegen.__version__ == version("imagegen")


def test_importing_imagegen_loads_nothing_heavy() -> None:
    assert modules_loaded_by("import imagegen") & HEAVY == set()


def test_a_request_and_its_recipe_load_nothing_heavy() -> None:
    assert modules_loaded_by("from imagegen import ImageRequest; ImageRequest('red mug')") & HEAVY == set()


def test_a_studio_that_has_made_nothing_has_not_loaded_torch() -> None:
    loaded = modules_loaded_by("from imagegen import Studio; Studio().close()")
    assert loaded & {"torch", "diffusers", "transformers", "onnxruntime", "rembg", "cv2"} == set()
