from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from imagegen.errors import CheckpointInvalid
from imagegen.weights.locate import TensorFiles, read_json


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two tensors in two files and their index."""
    save_file({"a": torch.zeros(2)}, tmp_path / "model-1.safetensors")
    save_file({"b": torch.ones(3)}, tmp_path / "model-2.safetensors")
    write_index(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    return tmp_path


def write_index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_reads_shards_by_their_index(shards: Path) -> None:
    files = TensorFiles(shards)
    assert sorted(files) == ["a", "b"]
    assert "b" in files
    assert "c" not in files
    assert torch.equal(files.read("b"), torch.ones(3))
    assert files.file_of("b").name == "model-2.safetensors"
    assert files.file_of("c") == shards


def test_reads_a_single_file(tmp_path: Path) -> None:
    save_file({"a": torch.arange(4)}, tmp_path / "diffusion_pytorch_model.safetensors")
    assert torch.equal(TensorFiles(tmp_path).read("a"), torch.arange(4))


@pytest.mark.parametrize(
    ("weight_map", "named"),
    [
        ({"a": "model-1.safetensors", "c": "model-2.safetensors"}, "model-2.safetensors"),
        ({"a": "model-3.safetensors"}, "model-3.safetensors"),
        ({"a": "../model-1.safetensors"}, "index.json"),
        ({"a": 1}, "index.json"),
        ({}, "index.json"),
        (None, "index.json"),
    ],
)
def test_an_index_that_does_not_hold_is_refused(shards: Path, weight_map: object, named: str) -> None:
    write_index(shards, weight_map)
    with pytest.raises(CheckpointInvalid) as error:
        TensorFiles(shards)
    assert named in str(error.value.field)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointInvalid, match="no weights"):
        TensorFiles(tmp_path)


@given(kept=st.floats(0, 0.999))
def test_a_truncated_file_is_refused_wherever_it_ends(
    tmp_path_factory: pytest.TempPathFactory, kept: float
) -> None:
    file = tmp_path_factory.mktemp("cut") / "model.safetensors"
    save_file({"a": torch.zeros(64, 64)}, file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CheckpointInvalid, match="complete") as error:
        TensorFiles(file.parent)
    assert error.value.field == str(file)


@given(content=st.binary(max_size=40))
def test_json_is_an_object_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("json") / "config.json"
    path.write_bytes(content)
    try:
        expected = json.loads(content)
    except ValueError:
        expected = None
    if isinstance(expected, dict):
        assert read_json(path) == expected
    else:
        with pytest.raises(CheckpointInvalid) as error:
            read_json(path)
        assert error.value.field == str(path)
