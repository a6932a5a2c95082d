"""Cut out by a model of the rembg project, by name, when its file is already on this machine. Never
downloads.

Licences are the models' own (U2-Net and IS-Net Apache-2.0, BiRefNet MIT, bria-rmbg non-commercial); whoever
puts the file there has chosen. It does not know how well a model fits a picture: the confidence it reports is
only how decided the mask is.
"""

from __future__ import annotations

import importlib
import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imagegen_postprocess.background.decontaminate import clean_colours
from imagegen_postprocess.errors import DependencyMissing, ModelFileMissing, RecipeInvalid
from imagegen_postprocess.onnx_session import forbid_telemetry
from imagegen_postprocess.report import Detail, StepNote
from imagegen_postprocess.subject import Subject

SMALLEST_PRODUCT = 0.0005

_inference = threading.Lock()  # one session serves all callers; its memory is the model's activations, once


def cut_out_by_model(subject: Subject, name: str, models_dir: Path | None) -> tuple[Subject, StepNote]:
    """Give a subject the alpha that the rembg model `name` predicts.

    models_dir: searched for `<name>.onnx` before rembg's own folders (see `find_model_file`). Raises
    ModelFileMissing, DependencyMissing or RecipeInvalid (a name that rembg does not know), field "cutout".
    """
    path = find_model_file(name, models_dir)
    with _inference:
        session = _session(name, path)
        masks = session.predict(Image.fromarray(subject.pixels, "RGB"))
    if len(masks) != 1 or masks[0].size != (subject.width, subject.height):
        raise RecipeInvalid(
            f"{name} gives {len(masks)} masks instead of one cut-out",
            field="cutout",
            hint="Choose another model",
        )
    # The last two per cent at either end are the networks' haze.
    haze_free = (np.asarray(masks[0].convert("L"), np.float32) / 255 - 0.02) / 0.96
    alpha = np.clip(haze_free, 0, 1).astype(np.float32)
    share = float((alpha > 0.5).mean())
    detail: Detail = {
        "method": name,
        "product_share": round(share, 4),
        "confidence": round(float(np.abs(2 * alpha - 1).mean()), 3),
    }
    if share < SMALLEST_PRODUCT:
        return subject, StepNote(False, detail, f"{name} found no product; the picture is kept whole")
    return Subject(clean_colours(subject.pixels, alpha), alpha), StepNote(True, detail)


def find_model_file(name: str, models_dir: Path | None) -> Path:
    """Where the file of a model is: models_dir, then the folders that rembg 2.0.66 and later itself uses.

    Those are $U2NET_HOME, or else ~/.rembg ($REMBG_HOME, $XDG_DATA_HOME/rembg) and the older ~/.u2net; in
    each `models/<name>/<name>.onnx` or `<name>.onnx`. Raises ModelFileMissing, which says where it looked.
    """
    folders = [models_dir] if models_dir else []
    if os.environ.get("U2NET_HOME"):
        folders.append(Path(os.environ["U2NET_HOME"]).expanduser())
    else:
        data = os.environ.get("XDG_DATA_HOME")
        default = Path(data) / "rembg" if data else Path("~/.rembg")
        folders.append(Path(os.environ.get("REMBG_HOME", default)).expanduser())
        folders.append(Path(data or "~", ".u2net").expanduser())
    for folder in folders:
        for path in (folder / "models" / name / f"{name}.onnx", folder / f"{name}.onnx"):
            if path.is_file():
                return path
    raise ModelFileMissing(
        f"the cut-out model {name!r} is not on this machine",
        field="cutout",
        hint=f"Nothing is downloaded: put {name}.onnx into {folders[0]}, or use the cut-out 'plain'",
    )


@lru_cache(maxsize=1)
def _session(name: str, path: Path) -> Any:
    """The one session that is kept. rembg's first import takes tens of seconds (numba inside pymatting)."""
    forbid_telemetry()
    for package in ("onnxruntime", "rembg"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise DependencyMissing(
                f"the cut-out model {name!r} needs {package}: {error}",
                field="cutout",
                hint="Install imagegen[cpu] or imagegen[gpu], or use the cut-out 'plain'",
            ) from error
    from rembg.session_factory import ort
    from rembg.sessions import sessions

    if name not in _local(sessions):
        raise RecipeInvalid(
            f"rembg has no local model {name!r}",
            field="cutout",
            hint=f"It knows: {', '.join(_local(sessions))}",
        )
    # A session asks its own class where the file is, and that method downloads what it does not find. This
    # subclass answers with the file we found, so there is no code left that could reach for the network.
    local_class = type(
        name, (sessions[name],), {"download_models": classmethod(lambda cls, *_, **__: str(path))}
    )
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = (
        False  # the arena keeps its largest size for good: rembg issue 752 saw 137 GB
    )
    try:
        return local_class(name, options)
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise ModelFileMissing(
            f"{path} cannot be loaded: {error}", field="cutout", hint="Replace it with an intact copy"
        ) from error


def _local(sessions: dict[str, Any]) -> list[str]:
    """The models that run here and need nothing but a picture: no service to send it to, no clicks."""
    return sorted(
        name
        for name, model in sessions.items()
        if getattr(model, "is_local", lambda: True)() and name != "sam" and not name.endswith("_custom")
    )
