"""int4 with a low-rank correction: less is lost of weights with outliers, and the network runs with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from imagegen.errors import CheckpointInvalid, InvalidRequest
from imagegen.networks.quantized_linear import LowRank, QuantizedLinear, project_gated
from imagegen.weights.catalog import read_card
from imagegen.weights.importers.convert import Converted, quantised
from imagegen.weights.importers.importing import Imported, Options, import_model
from imagegen.weights.load import load_components
from imagegen.weights.locate import TensorFiles
from imagegen.weights.manifest import component_facts
from imagegen_kernels.formats import PackedWeight, dequantize, quantize_int4


def with_outliers(rows: int = 96, columns: int = 128) -> Tensor:
    """Normal weights, and a few directions ten times as strong, as in trained transformers."""
    generator = torch.Generator().manual_seed(0)
    weight: Tensor = torch.randn(rows, columns, generator=generator)
    left, right = torch.randn(rows, 3, generator=generator), torch.randn(3, columns, generator=generator)
    return weight.add_(left @ right, alpha=2).mul_(columns**-0.5)


def packed(made: Converted, shape: tuple[int, int]) -> PackedWeight:
    tensors = made.tensors
    return PackedWeight(
        tensors[".packed"], tensors[".scales"], "int4", shape, 64, zero_points=tensors[".zero_points"]
    )


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def test_errors_fall_with_the_search_and_again_with_the_rank() -> None:
    dense = with_outliers()
    nearest = relative(dequantize(quantize_int4(dense, 64, zero_points=True, refine=False)), dense)
    searched = quantised(dense, "int4", None)
    errors = [quantised(dense, "int4", None, rank).error for rank in (1, 3, 16)]
    assert nearest > searched.error > errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.6 * searched.error


def test_what_is_stored_is_what_is_reported() -> None:
    dense = with_outliers()
    made = quantised(dense, "int4", None, 4)
    down, up = made.tensors[".low_rank_down"], made.tensors[".low_rank_up"]
    assert (down.dtype, down.shape, up.shape) == (torch.float16, (4, 128), (96, 4))
    whole = dequantize(packed(made, (96, 128))) + up.float() @ down.float()
    assert made.error == pytest.approx(relative(whole, dense), rel=1e-4)
    assert made.error_without == pytest.approx(quantised(dense, "int4", None).error, rel=1e-4)
    again = quantised(dense, "int4", None, 4)
    assert all(torch.equal(made.tensors[name], again.tensors[name]) for name in made.tensors)


@pytest.mark.parametrize("format", ["int8", "ternary"])
def test_other_formats_are_left_alone(format: str) -> None:
    made = quantised(with_outliers(), format, None, 4)  # type: ignore[arg-type]
    assert not any("low_rank" in name for name in made.tensors)


@torch.inference_mode()
def test_the_linear_adds_both() -> None:
    dense = with_outliers()
    made = quantised(dense, "int4", None, 8)
    pair = LowRank(made.tensors[".low_rank_down"].float(), made.tensors[".low_rank_up"].float())
    linear = QuantizedLinear(packed(made, (96, 128)), low_rank=pair)
    x = torch.randn(2, 40, 128)
    plain = QuantizedLinear(packed(quantised(dense, "int4", None), (96, 128)))
    expected = x @ dense.T
    assert relative(linear(x), expected) < 0.8 * relative(plain(x), expected)
    assert "low rank 8" in repr(linear)
    ahead, gated = project_gated(linear, x, 32)
    values = linear(x)
    torch.testing.assert_close(ahead, values[..., :32])
    torch.testing.assert_close(gated, torch.nn.functional.silu(values[..., 32:64]) * values[..., 64:])


@pytest.fixture(scope="module")
def made(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    options = Options("int4", "int8", low_rank=4)
    return import_model(tiny_checkpoint, "low", tmp_path_factory.mktemp("models"), options)


def test_a_model_is_imported_with_it_and_runs(made: Imported, tiny_checkpoint: Path) -> None:
    note = made.layers["transformer.transformer_blocks.0.ff.linear_in"]
    assert note["error"] < note["error_without_low_rank"]
    assert "error_without_low_rank" not in made.layers["text_encoder.model.layers.0.mlp.down_proj"]
    assert component_facts(made.card.path / "transformer")["formats"]["int4"]["weights"] > 0
    linear = load_components(read_card(made.card.path), "cpu").transformer.get_submodule(
        "transformer_blocks.0.ff.linear_in"
    )
    assert isinstance(linear, QuantizedLinear)
    assert linear.low_rank is not None
    assert linear.low_rank.down.dtype == torch.float32, "as the activations"
    source = TensorFiles(tiny_checkpoint / "transformer").read("transformer_blocks.0.ff.linear_in.weight")
    whole = dequantize(linear.weight) + linear.low_rank.up @ linear.low_rank.down
    assert relative(whole, source) == pytest.approx(note["error"], rel=1e-2)


def test_layers_may_keep_their_activations(tiny_checkpoint: Path, tmp_path: Path) -> None:
    patterns = ("transformer.*.attn.to_qkv", "text_encoder.*.down_proj")
    options = Options("int4", "int8", float_activations=patterns)
    made = import_model(tiny_checkpoint, "wide", tmp_path, options)
    assert made.layers["text_encoder.model.layers.0.mlp.down_proj"]["activations"] == "float"
    loaded = load_components(made.card, "cpu")
    kinds = {
        name: layer.activations
        for network in (loaded.transformer, loaded.text_encoder)
        for name, layer in network.named_modules()
        if isinstance(layer, QuantizedLinear)
    }
    assert kinds["layers.0.mlp.down_proj"] == "float"
    assert kinds["layers.0.mlp.gate_up_proj"] == "int8"
    assert kinds["transformer_blocks.0.attn.to_qkv"] == "float"
    assert kinds["transformer_blocks.0.attn.to_out.0"] == "int8"
    config = made.card.path / "transformer" / "config.json"
    config.write_text(config.read_text().replace('"float"', '"int16"'))
    with pytest.raises(CheckpointInvalid, match="'int16' is neither int8 nor float"):
        load_components(made.card, "cpu")


def test_a_pattern_that_names_no_layer_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    options = Options("int4", "int8", float_activations=("transformer.*.to_z",))
    with pytest.raises(InvalidRequest, match="names no layer"):
        import_model(tiny_checkpoint, "wide", tmp_path, options)
    assert not list(tmp_path.glob("wide*"))


def test_a_pair_of_a_wrong_shape_is_named(made: Imported, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    card = read_card(Path(shutil.copytree(made.card.path, tmp_path / "wrong")))
    file = card.path / "transformer" / "diffusion_pytorch_model.safetensors"
    name = "transformer_blocks.0.ff.linear_in.weight.low_rank_up"
    state = load_file(file)
    save_file(state | {name: state[name][:-1].clone()}, file)
    with pytest.raises(CheckpointInvalid, match=name):
        load_components(card, "cpu")
