"""Deleting a model, and what an interrupted import of it left."""

from __future__ import annotations

import shutil
from pathlib import Path

from imagegen.errors import InvalidRequest, ModelNotFound, OutputNotWritable
from imagegen.weights.catalog import BUNDLED, list_models


def remove_model(name: str, models_dir: Path) -> int:
    """Delete the model `name` of `models_dir`; the bytes that it took.

    It is hidden first, so that a cut-short deletion leaves no half a model. Raises ModelNotFound,
    InvalidRequest for the bundled one, OutputNotWritable.
    """
    folder = models_dir / name
    if name == BUNDLED.name and not folder.is_dir():
        raise InvalidRequest("the bundled model is part of the program", field="name")
    begun = models_dir / f".{name}.importing"
    if Path(name).name != name or not (folder.is_dir() or begun.is_dir()):
        known = [card.name for card in list_models(models_dir) if card.path.is_relative_to(models_dir)]
        raise ModelNotFound(
            f"no model {name!r} to remove", field="name", hint=f"imported: {', '.join(known) or 'none'}"
        )
    freed = 0
    try:
        hidden = models_dir / f".{name}.removed"
        if folder.is_dir():
            folder.rename(hidden)
        for path in (hidden, begun):
            if path.is_dir():
                freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                shutil.rmtree(path)
        (models_dir / f".{name}.lock").unlink(missing_ok=True)
    except OSError as error:
        raise OutputNotWritable(f"cannot be deleted: {error.strerror}", field=str(folder)) from error
    return freed
