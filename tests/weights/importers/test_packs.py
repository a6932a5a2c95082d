"""Readers against files that the tools themselves wrote (packs/make.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from imagegen.errors import CheckpointInvalid
from imagegen.weights.importers.convert import keep
from imagegen.weights.importers.packs import Packs
from imagegen.weights.importers.stored import Coded
from imagegen.weights.importers.torch_file import TorchFile
from imagegen.weights.locate import safetensors_file
from tests.weights.importers.dense import as_dense
from tests.weights.importers.packs.make import weights
from tests.weights.importers.writers import gemlite_linear, hqq_linear, pack_low_first

HERE = Path(__file__).parent / "packs"


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize("mode", ["fma", "shift"])
@pytest.mark.parametrize("format", ["ternary", "binary"])
def test_gemlites_packs_are_carried_over_exactly(format: str, mode: str, width: int) -> None:
    packs = Packs(TorchFile(HERE / "gemlite.pt"))
    name = f"{format}.{mode}{width}.weight"
    assert packs.tool == "gemlite"
    assert packs.shape(name) == (16, 256)
    kept = keep(packs.read(name), exact=False)
    assert kept.format == (format, 128)
    assert torch.equal(as_dense(kept), weights()[format].float())


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize("format", ["ternary", "binary"])
def test_the_tests_own_gemlite_writer_is_gemlites(format: str, width: int) -> None:
    theirs = TorchFile(HERE / "gemlite.pt")
    ours = gemlite_linear(weights()[format], 2 if format == "ternary" else 1, width)
    for leaf in ("W_q", "scales", "zeros", "orig_shape"):
        assert torch.equal(ours[leaf].int(), theirs.read(f"{format}.fma{width}.{leaf}").int()), leaf
    metadata = theirs.read(f"{format}.fma{width}.metadata").tolist()
    assert [metadata[i] for i in (1, 2, 4, 9, 10)] == [ours["metadata"].tolist()[i] for i in (1, 2, 4, 9, 10)]


def test_hqqs_codes_are_what_hqq_makes_of_them() -> None:
    file = TorchFile(HERE / "hqq.pt")
    packs = Packs(file)
    stored = packs.read("linear.weight")
    assert isinstance(stored, Coded)
    assert (packs.tool, stored.shape, stored.group_size) == ("hqq", (16, 256), 64)
    kept = keep(stored, exact=False)
    assert kept.format is None, "its zeros are no whole codes: kept as HQQ dequantises it"
    assert torch.equal(kept.tensors[""], file.read("dequantized.weight"))
    assert set(hqq_linear(weights()["dense"])) <= {name.removeprefix("linear.") for name in file}


@pytest.mark.parametrize(("bits", "group"), [(4, 64), (8, 64), (2, 128)])
def test_mlxs_codes_are_what_mlx_makes_of_them(bits: int, group: int) -> None:
    state = load_file(HERE / "mlx.safetensors")
    name = f"b{bits}g{group}"
    packs = Packs(safetensors_file(HERE / "mlx.safetensors"), {"bits": bits, "group_size": group})
    stored = packs.read(f"{name}.weight")
    assert isinstance(stored, Coded)
    assert (packs.tool, stored.shape, stored.group_size) == ("mlx", (16, 256), group)
    assert torch.equal(stored.dense(), state[f"{name}.dequantized"])
    assert torch.equal(pack_low_first(stored.codes, bits, 32), state[f"{name}.weight"])


def test_mlxs_shapes_alone_say_too_little() -> None:
    packs = Packs(safetensors_file(HERE / "mlx.safetensors"))
    with pytest.raises(CheckpointInvalid, match="group_size and bits"):
        packs.read("b4g64.weight")


def test_a_pickle_that_wants_to_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)  # type: ignore[return-value]

    torch.save({"weight": Trap()}, tmp_path / "state_dict.pt")
    with pytest.raises(CheckpointInvalid, match="may run code") as error:
        TorchFile(tmp_path / "state_dict.pt")
    assert error.value.field == str(tmp_path / "state_dict.pt")
    assert not (tmp_path / "ran").exists()
