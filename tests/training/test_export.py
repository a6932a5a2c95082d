"""The exported folder has the layout of the contract, and holds what training computed with."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from imagegen_kernels.formats import PackedWeight, dequantize
from training.export import export
from training.networks import ConditionedTransformer, build_autoencoder
from training.ternary import GROUP, ternary_linears, ternary_weight
from training.tokenizer import train_tokenizer

CARDS = Path(__file__).resolve().parents[2] / "training" / "cards"


@pytest.fixture(scope="module")
def network() -> ConditionedTransformer:
    torch.manual_seed(0)
    return ConditionedTransformer(train_tokenizer(["red shoe", "blue bag"], 300))


@pytest.fixture(scope="module")
def checkpoint(network: ConditionedTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / "starter"
    export(network, build_autoencoder(), network.tokenizer, target, CARDS)
    return target


def test_ternary_linears_are_packed_exactly(network: ConditionedTransformer, checkpoint: Path) -> None:
    tensors = load_file(checkpoint / "transformer" / "diffusion_pytorch_model.safetensors")
    linears = ternary_linears(network.transformer)
    assert len(linears) == 2 * 12 + 4 * 2
    for name, linear in linears.items():
        assert f"{name}.weight" not in tensors
        packed, scales = tensors[f"{name}.weight.packed"], tensors[f"{name}.weight.scales"]
        weight = PackedWeight(packed, scales, "ternary", (linear.out_features, linear.in_features), GROUP)
        assert torch.equal(dequantize(weight), ternary_weight(linear.weight))
    others = {name for name in tensors if not name.endswith((".packed", ".scales"))}
    assert {tensors[name].dtype for name in others} == {torch.float16}


def test_text_encoder_linears_are_int8_by_row(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / "text_encoder" / "model.safetensors")
    packed = [name for name in tensors if name.endswith(".packed")]
    assert len(packed) == 4 * 7
    for name in packed:
        assert tensors[name].dtype == torch.int8
        assert tensors[name.replace(".packed", ".scales")].shape == (tensors[name].shape[0], 1)
    config = json.loads((checkpoint / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    assert config["quantization_config"] == {
        "quant_method": "imagegen",
        "format": "int8",
        "group_size": "row",
    }


def test_the_description_names_every_weight_file(checkpoint: Path) -> None:
    description = json.loads((checkpoint / "imagegen.json").read_text(encoding="utf-8"))
    found = {
        path.relative_to(checkpoint).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in checkpoint.rglob("*.safetensors")
    }
    assert description["weights_sha256"] == found
    assert len(found) == 3
    assert description["defaults"]["steps"] == 4


def test_it_fits_and_leaves_no_draft(checkpoint: Path) -> None:
    size = sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file())
    assert size <= 20_000_000
    assert [entry.name for entry in checkpoint.parent.iterdir()] == ["starter"]
