"""The zip stream: whole, in pieces, and never more of it in memory than a piece."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from pathlib import Path

from imagegen.batch.archive import PIECE, zip_stream


def batch(folder: Path, files: dict[str, bytes]) -> None:
    lines = []
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        lines.append(json.dumps({"file": name}))
    lines.append(json.dumps({"file": None}))
    lines.append(json.dumps({"file": "gone.png"}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "manifest.csv").write_text("row\n")


def test_everything_that_is_there_is_inside(tmp_path: Path) -> None:
    files = {"a.png": b"a" * (PIECE * 2 + 7), "etsy/tênis.jpg": b"", "b.png": b"b"}
    batch(tmp_path, files)
    (tmp_path / ".hidden.part").write_text("half")
    data = b"".join(zip_stream(tmp_path))
    assert data == b"".join(zip_stream(tmp_path))
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert archive.namelist() == ["manifest.csv", "manifest.jsonl", *files]
    assert {name: archive.read(name) for name in files} == files


def test_a_large_batch_passes_through_in_pieces(tmp_path: Path) -> None:
    batch(tmp_path, {f"{n}.png": b"x" * (4 << 20) for n in range(4)})
    tracemalloc.start()
    total = sum(map(len, zip_stream(tmp_path)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 16 << 20
    assert peak < 8 * PIECE


def test_a_batch_that_has_just_begun_is_an_empty_archive(tmp_path: Path) -> None:
    assert zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(tmp_path)))).namelist() == []
