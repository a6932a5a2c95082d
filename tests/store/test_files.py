"""Files are whole or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from imagegen.errors import OutputNotWritable
from imagegen.store.files import ArtifactFiles, sweep_unfinished, write_atomically


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "picture.png"
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [p.name for p in path.parent.iterdir()] == ["picture.png"]


def test_an_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"the old and longer one")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_file_is_as_readable_as_any_other_of_its_owner(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


@pytest.mark.parametrize("below", ["file/picture.png", "folder"])
def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputNotWritable) as refused:
        write_atomically(tmp_path / below, b"data")
    assert refused.value.field == str(tmp_path / below)
    assert isinstance(refused.value.__cause__, OSError)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("id", ["../secret.png", "a" * 32, "a" * 32 + ".gif", "", "A" * 32 + ".png"])
def test_only_ids_of_stored_pictures_lead_to_files(tmp_path: Path, id: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    assert ArtifactFiles(tmp_path).path(id) is None


def test_what_a_killed_process_left_half_written_is_swept_later(tmp_path: Path) -> None:
    old, new = (tmp_path / f".a.png.{digits}.part" for digits in ("0123abcd", "4567abcd"))
    for path in (old, new, tmp_path / "a.png", tmp_path / ".hidden.part"):
        path.write_bytes(b"x")
        if path != new:
            os.utime(path, (1, 1))
    sweep_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([new.name, "a.png", ".hidden.part"])
    sweep_unfinished(tmp_path / "nowhere")
