"""The cut-out networks that can be asked for by name, their licences, and what the machine's owner allows.

Licences are those of the published weights, as their projects state them; rembg's own licence says nothing of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagegen_postprocess.errors import ModelNotAllowed

BUNDLED = "bundled"  # the network that ships with this package


@dataclass(frozen=True)
class Licence:
    """name: SPDX where there is one. commercial: pictures made with the model may be used commercially."""

    name: str
    commercial: bool


_APACHE, _MIT = Licence("Apache-2.0", True), Licence("MIT", True)
LICENCES = {
    BUNDLED: _APACHE,
    "u2net": _APACHE,
    "u2netp": _APACHE,
    "u2net_human_seg": _APACHE,
    "u2net_cloth_seg": _MIT,
    "silueta": _APACHE,
    "isnet-general-use": _APACHE,
    "isnet-anime": _APACHE,
    "birefnet-general": _MIT,
    "birefnet-general-fp16": _MIT,
    "birefnet-general-lite": _MIT,
    "birefnet-portrait": _MIT,
    "birefnet-dis": _MIT,
    "birefnet-hrsod": _MIT,
    "birefnet-cod": _MIT,
    "birefnet-massive": _MIT,
    "bria-rmbg": Licence("BRIA RMBG-2.0 (CC BY-NC-4.0; commercial use needs an agreement)", False),
}
UNKNOWN = Licence("unknown", False)


@dataclass(frozen=True)
class Models:
    """What the owner of the machine decides about cut-out networks.

    folder: searched for `<name>.onnx` before rembg's own folders. non_commercial: models whose licence
    forbids or does not state commercial use may be used. threads: of the network; None leaves it to
    onnxruntime, which takes every core.
    """

    folder: Path | None = None
    non_commercial: bool = False
    threads: int | None = None


def licence_of(name: str) -> Licence:
    return LICENCES.get(name, UNKNOWN)


def require_allowed(name: str, models: Models) -> None:
    """Raises ModelNotAllowed, field "cutout", for a model that the owner has not allowed."""
    licence = licence_of(name)
    if licence.commercial or models.non_commercial:
        return
    raise ModelNotAllowed(
        f"the licence of the cut-out model {name!r} is {licence.name}",
        field="cutout",
        hint='Allow non-commercial models if that is your use, or take the cut-out "auto"',
    )
