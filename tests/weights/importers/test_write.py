"""A safetensors file that is written piece by piece, and continued."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from imagegen.errors import OutputNotWritable
from imagegen.weights.importers.write import SafetensorsWriter

TENSORS = {
    "half": torch.randn(3, 5).half(),
    "brain": torch.randn(2, 2).bfloat16(),
    "codes": torch.arange(7, dtype=torch.uint8),
    "number": torch.tensor(5),
}


def write(path: Path, names: list[str]) -> None:
    with SafetensorsWriter(path, 8) as writer:
        for name in names:
            if name not in writer.done:
                writer.add(name, {name: TENSORS[name]}, {"note": name})


def finish(path: Path) -> None:
    with SafetensorsWriter(path, 8) as writer:
        assert writer.done == {name: {"note": name} for name in TENSORS}
        writer.finish()


def assert_whole(path: Path) -> None:
    found = load_file(path)
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_written_in_parts_is_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write(path, ["half", "brain"])
    assert not path.exists()
    write(path, list(TENSORS))
    finish(path)
    assert_whole(path)


@pytest.mark.parametrize("cut", [1, 30])
def test_a_journal_that_was_cut_short_loses_its_last_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "model.safetensors"
    write(path, ["half", "brain", "codes"])
    journal = tmp_path / "model.safetensors.journal"
    journal.write_bytes(journal.read_bytes()[:-cut])
    with SafetensorsWriter(path, 8) as writer:
        assert list(writer.done) == ["half", "brain"]
    write(path, list(TENSORS))
    finish(path)
    assert_whole(path)


def test_a_file_shorter_than_its_journal_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write(path, ["half", "brain"])
    part = tmp_path / "model.safetensors.part"
    part.write_bytes(part.read_bytes()[:-1])
    with SafetensorsWriter(path, 8) as writer:
        assert writer.done == {}
    write(path, list(TENSORS))
    finish(path)
    assert_whole(path)


def test_more_tensors_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    with SafetensorsWriter(tmp_path / "model.safetensors", 1) as writer:
        writer.add("many", {f"{'x' * 60}{number}": torch.ones(1) for number in range(12)})
        with pytest.raises(OutputNotWritable, match="room"):
            writer.finish()
