"""Where results go, looked at before the work is done."""

from __future__ import annotations

import os
from pathlib import Path

from imagegen.artifact import format_of
from imagegen.errors import InvalidRequest, OutputNotWritable
from imagegen_postprocess import Recipe, load_preset


def destinations(output: Path, n: int, *, recipe: Recipe | None = None) -> list[Path]:
    """`output` itself, or for n > 1 numbered: bag.png becomes bag-1.png, bag-2.png, ...

    Raises InvalidRequest for a suffix we do not write, one that cannot hold what the recipe makes or one that
    its marketplace does not take; OutputNotWritable when a file cannot be put there.
    """
    format = format_of(output)
    if recipe is not None and recipe.background == "transparent" and format == "jpeg":
        raise InvalidRequest("JPEG has no transparency", field="output", hint="end the name in .png or .webp")
    if recipe is not None and recipe.preset is not None:
        formats = load_preset(recipe.preset).formats
        if format not in formats:
            raise InvalidRequest(
                f"{recipe.preset} does not take {format}", field="output", hint=f"take {' or '.join(formats)}"
            )
    files = [output] if n == 1 else [output.with_stem(f"{output.stem}-{i}") for i in range(1, n + 1)]
    for file in files:
        require_writable(file)
    return files


def require_writable(file: Path) -> None:
    """Raises OutputNotWritable when `file` is a folder, or the folder it would be made in takes no files."""
    if file.is_dir():
        raise OutputNotWritable("this is a folder", field=str(file), hint="give the name of a file in it")
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise OutputNotWritable(f"{folder} is no folder", field=str(file), hint="choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputNotWritable(
            f"{folder} may not be written to", field=str(file), hint="choose another place"
        )
