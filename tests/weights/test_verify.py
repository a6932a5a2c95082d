from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from imagegen.errors import CheckpointInvalid
from imagegen.weights.catalog import read_card
from imagegen.weights.verify import verify

FILE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
    list_hashes(folder, {FILE: hashlib.sha256((folder / FILE).read_bytes()).hexdigest()})
    return folder


def list_hashes(folder: Path, hashes: dict[str, str]) -> None:
    path = folder / "imagegen.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_sha256": hashes}))


def test_names_the_files_that_are_as_they_were(model: Path) -> None:
    assert verify(read_card(model)) == (FILE,)


def test_one_changed_byte_is_found(model: Path) -> None:
    content = bytearray((model / FILE).read_bytes())
    content[-1] ^= 1
    (model / FILE).write_bytes(content)
    with pytest.raises(CheckpointInvalid, match="sha256") as error:
        verify(read_card(model))
    assert error.value.field == str(model / FILE)


@pytest.mark.parametrize(
    ("hashes", "message"),
    [({}, "no weights_sha256"), ({"gone.safetensors": "0"}, "cannot be read"), ({"../x": "0"}, "outside")],
)
def test_hashes_that_cannot_be_compared_are_refused(
    model: Path, hashes: dict[str, str], message: str
) -> None:
    list_hashes(model, hashes)
    with pytest.raises(CheckpointInvalid, match=message):
        verify(read_card(model))
