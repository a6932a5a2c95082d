"""What a machine has to offer, looked up now: nothing is measured, downloaded or changed."""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from imagegen import __version__
from imagegen.errors import ImagegenError
from imagegen.settings import Settings
from imagegen.weights.catalog import find_model, list_models
from imagegen_postprocess import FinishingError

# The instructions that decide which CPU paths there are (int8 dot products, bf16 tiles).
CPU_FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
)


def survey(settings: Settings) -> dict[str, Any]:
    """Everything `imagegen doctor` shows: texts, lists of texts, `kernels` and `problems`."""
    import torch

    from imagegen_kernels import card
    from imagegen_kernels.dispatch import describe

    card.choose(settings.kernels)
    card.keep_tiles_in(settings.tiles_dir)
    has_cuda = torch.cuda.is_available()
    device = ("cuda" if has_cuda else "cpu") if settings.device == "auto" else settings.device
    return {
        "imagegen": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads",
        "cpu": f"{os.cpu_count()} cores; {' '.join(_cpu_flags()) or 'no known vector instructions'}",
        "memory": _memory(),
        "gpu": torch.cuda.get_device_name() if has_cuda else "none that torch can use",
        "device": device,
        "tiles": _tiles(device),
        "data": f"{settings.data_dir}, {_free(settings.data_dir) / 1e9:.1f} GB free",
        "models": [card.name for card in list_models(settings.models_dir)] or ["none"],
        "default": settings.model,
        "cut-outs": _cut_outs(settings),
        "upscalers": _upscalers(settings),
        "kernels": [{"op": op, "implementation": name, "why": why} for op, name, why in describe(device)],
        "problems": _problems(settings, has_cuda),
    }


def _cpu_flags() -> list[str]:
    """From Linux's own list; elsewhere unknown."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return []
    words = set(info.read_text(errors="replace").split())
    return [flag for flag in CPU_FLAGS if flag in words]


def _tiles(device: str) -> str:
    """Where the sizes come from in which our kernels cut their work."""
    import torch

    from imagegen_kernels import card

    if device == "cpu" or card.refusal() is not None:
        return "only our kernels on a GPU have some"
    if card.measured(torch.cuda.current_device()) is None:
        return "of the kind of card; `imagegen tune` measures on this one"
    return "measured on this card"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{total / 1e9:.1f} GB"


def _free(folder: Path) -> int:
    """Bytes free where `folder` is or will be."""
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def cut_out_models(settings: Settings) -> list[dict[str, Any]]:
    """Every cut-out network that can be named: `name`, `licence`, `commercial`, `present` (its file is on
    this machine; imagegen never downloads one) and `allowed`."""
    from imagegen_postprocess.background.models import BUNDLED, LICENCES
    from imagegen_postprocess.background.network import FILE, SHEET_FILE
    from imagegen_postprocess.background.rembg import find_model_file

    found = []
    for name, licence in LICENCES.items():
        present = name == BUNDLED and FILE.is_file() and SHEET_FILE.is_file()
        if name != BUNDLED:
            with suppress(FinishingError):
                find_model_file(name, settings.models_dir)
                present = True
        allowed = licence.commercial or settings.non_commercial_models
        found.append(
            {
                "name": name,
                "licence": licence.name,
                "commercial": licence.commercial,
                "present": present,
                "allowed": allowed,
            }
        )
    return found


def _cut_outs(settings: Settings) -> list[str]:
    models = [model for model in cut_out_models(settings) if model["present"]]
    return [
        "plain backgrounds: built in",
        *(
            f"{model['name']}: {model['licence']}" + ("" if model["allowed"] else ", not allowed")
            for model in models
        ),
    ]


def _upscalers(settings: Settings) -> list[str]:
    """The resampler, and the networks whose files are on this machine, with their licences."""
    from imagegen_postprocess import Models
    from imagegen_postprocess.canvas.upscalers import LICENCES, find_upscaler

    found = ["resampling: built in"]
    for name, licence in LICENCES.items():
        with suppress(FinishingError):
            find_upscaler(name, Models(settings.models_dir, settings.non_commercial_models))
            found.append(f"{name}: {licence.name}")
    return found


def _problems(settings: Settings, has_cuda: bool) -> list[str]:
    problems = []
    try:
        find_model(settings.model, settings.models_dir)
    except ImagegenError as error:
        problems.append(f"the default model: {error}")
    if settings.device == "cuda" and not has_cuda:
        problems.append("IMAGEGEN_DEVICE is cuda and torch finds no CUDA device")
    if _version("onnxruntime") is None and _version("onnxruntime-gpu") is None:
        problems.append(
            "onnxruntime is not installed: rembg cut-outs will not work (pip install imagegen[cpu])"
        )
    return problems


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
