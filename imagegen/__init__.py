"""imagegen: your own product-photo studio, on your own machine.

    from imagegen import Studio

    Studio().make("red leather handbag").save("bag.png")

Names are resolved on first use: importing this package loads neither torch nor any picture library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagegen.artifact import Artifact
    from imagegen.errors import ImagegenError
    from imagegen.photo import Photo
    from imagegen.request import ImageRequest
    from imagegen.settings import Settings
    from imagegen.studio import Studio
    from imagegen_postprocess import Recipe

__version__ = "0.1.0"

_HOME = {
    "Artifact": "imagegen.artifact",
    "ImageRequest": "imagegen.request",
    "ImagegenError": "imagegen.errors",
    "Photo": "imagegen.photo",
    "Recipe": "imagegen_postprocess",
    "Settings": "imagegen.settings",
    "Studio": "imagegen.studio",
}

__all__ = [
    "Artifact",
    "ImageRequest",
    "ImagegenError",
    "Photo",
    "Recipe",
    "Settings",
    "Studio",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'imagegen' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
