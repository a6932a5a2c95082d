"""The upscaling networks that can be asked for by name: licences, and where their files are looked for.

None comes along and none is downloaded. A file is `<name>.onnx`, an export of the network that bears the
name; licences are those of the published weights, as their projects state them.
"""

from __future__ import annotations

from pathlib import Path

from imagegen_postprocess.background.models import UNKNOWN, Licence, Models
from imagegen_postprocess.errors import ModelFileMissing, ModelNotAllowed

_BSD, _APACHE = Licence("BSD-3-Clause", True), Licence("Apache-2.0", True)
LICENCES = {
    "realesrgan-x2plus": _BSD,
    "realesrgan-x4plus": _BSD,
    "realesrnet-x4plus": _BSD,
    "realesr-general-x4v3": _BSD,
    "realesr-general-wdn-x4v3": _BSD,
    "swin2sr-classical-x2": _APACHE,
    "swin2sr-classical-x4": _APACHE,
    "swin2sr-realworld-x4": _APACHE,
}
FOLDER = "upscalers"
"""Of the models' folder: looked into before the folder itself."""


def licence_of(name: str) -> Licence:
    return LICENCES.get(name, UNKNOWN)


def find_upscaler(name: str, models: Models) -> Path:
    """The file of an upscaler that the owner allows.

    Raises ModelNotAllowed for one whose licence forbids or does not state commercial use, ModelFileMissing,
    which says where it looked; field "upscaler".
    """
    licence = licence_of(name)
    if not (licence.commercial or models.non_commercial):
        raise ModelNotAllowed(
            f"the licence of the upscaler {name!r} is {licence.name}",
            field="upscaler",
            hint="Allow non-commercial models if that is your use, or take one of " + ", ".join(LICENCES),
        )
    folder = models.folder
    places = [] if folder is None else [folder / FOLDER / f"{name}.onnx", folder / f"{name}.onnx"]
    for path in places:
        if path.is_file():
            return path
    raise ModelFileMissing(
        f"the upscaler {name!r} is not on this machine",
        field="upscaler",
        hint="Nothing is downloaded: "
        + (f"put its network at {places[0]}" if places else "name a folder for models")
        + ", or leave the upscaler out",
    )
