from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from imagegen.errors import CheckpointInvalid, SettingsInvalid
from imagegen.networks.quantized_conv import QuantizedConv, QuantizedDoubling
from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen.weights.catalog import read_card
from imagegen.weights.load import Components, load_components

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
TEXT_ENCODER = "text_encoder/model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"


def load(folder: Path, dtype: torch.dtype | None = None) -> Components:
    return load_components(read_card(folder), "cpu", dtype)


@pytest.fixture
def model(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))


@pytest.fixture
def packed(packed_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed_checkpoint, tmp_path / "packed"))


def change(folder: Path, file: str, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    state = {name: tensor.clone() for name, tensor in load_file(folder / file).items()}
    edit(state)
    (folder / file).unlink()
    save_file(state, folder / file)


def set_config(folder: Path, component: str, **changes: object) -> None:
    path = folder / component / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_device_that_is_not_there_is_refused(tiny_checkpoint: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(SettingsInvalid, match="no CUDA device") as error:
        load_components(read_card(tiny_checkpoint), "cuda")
    assert error.value.field == "device"


def test_projections_of_the_same_input_become_one_linear(tiny_checkpoint: Path) -> None:
    state = load_file(tiny_checkpoint / TRANSFORMER)
    fused = load(tiny_checkpoint).transformer.get_parameter("transformer_blocks.1.attn.add_qkv_proj.weight")
    parts = [state[f"transformer_blocks.1.attn.add_{part}_proj.weight"] for part in "qkv"]
    assert torch.equal(fused, torch.cat(parts))


def test_packed_linears_stay_packed(packed_checkpoint: Path) -> None:
    components = load(packed_checkpoint)
    linear = components.transformer.get_submodule("single_transformer_blocks.0.attn.to_out")
    assert isinstance(linear, QuantizedLinear)
    assert (linear.weight.format, linear.weight.group_size) == ("ternary", 128)
    encoder = components.text_encoder.get_submodule("layers.0.mlp.gate_up_proj")
    assert isinstance(encoder, QuantizedLinear)
    assert (encoder.weight.format, encoder.weight.shape) == ("int8", (2 * 256, 128))
    assert isinstance(components.transformer.x_embedder, torch.nn.Linear)


def test_only_what_is_needed_is_built(tiny_checkpoint: Path) -> None:
    components = load(tiny_checkpoint)
    assert len(components.text_encoder.layers) == 3, "of four: layer 3 is the last one asked for"
    assert not hasattr(components.autoencoder, "encoder")
    assert not any(p.is_meta or p.requires_grad for p in components.transformer.parameters())
    assert not any(b.is_meta for b in components.autoencoder.buffers())


def test_computes_in_the_dtype_asked_for(tiny_checkpoint: Path) -> None:
    assert load(tiny_checkpoint).transformer.dtype == torch.float32, "a small model on a CPU"
    components = load(tiny_checkpoint, torch.bfloat16)
    assert {components.transformer.dtype, components.text_encoder.dtype, components.autoencoder.dtype} == {
        torch.bfloat16
    }
    assert components.autoencoder.bn.running_mean.dtype == torch.float32
    assert components.text_encoder.embed_tokens.weight.dtype == torch.float32, "a table stays as stored"


@pytest.mark.parametrize("native", [True, False])
def test_a_decoder_is_narrow_where_the_processor_multiplies_bfloat16(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr("imagegen.weights.load._convolves_int8", lambda: False)
    components = load(tiny_checkpoint)
    assert components.autoencoder.dtype == (torch.bfloat16 if native else torch.float32)
    assert {p.dtype for p in components.autoencoder.decoder.conv_out.parameters()} == {torch.float32}
    assert components.transformer.dtype == components.text_encoder.dtype == torch.float32


@pytest.mark.parametrize("native", [True, False])
def test_a_small_decoder_is_quantised_where_the_processor_multiplies_int8(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr("imagegen.weights.load._convolves_int8", lambda: True)
    decoder = load(tiny_checkpoint).autoencoder.decoder
    convolution = "up_blocks.0.resnets.0.conv1"
    assert isinstance(decoder.get_submodule(convolution), QuantizedConv)
    narrow = torch.bfloat16 if native else torch.float32
    doubling = decoder.get_submodule("up_blocks.0.upsamplers.0.conv")
    assert isinstance(doubling, QuantizedDoubling)
    assert doubling.narrow == narrow
    for wide in ("up_blocks.0.resnets.0.norm1", "conv_in", "conv_norm_out", "conv_out"):
        assert decoder.get_parameter(f"{wide}.weight").dtype == torch.float32
    asked = load(tiny_checkpoint, torch.float32).autoencoder.decoder
    assert isinstance(asked.get_submodule(convolution), torch.nn.Conv2d), "a dtype was asked for"


def test_shards_load_like_one_file(model: Path) -> None:
    state = load_file(model / TRANSFORMER)
    names = sorted(state)
    halves = {"one.safetensors": names[: len(names) // 2], "two.safetensors": names[len(names) // 2 :]}
    for file, part in halves.items():
        save_file({name: state[name] for name in part}, model / "transformer" / file)
    (model / TRANSFORMER).unlink()
    weight_map = {name: file for file, part in halves.items() for name in part}
    index = model / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    found = load(model).transformer.get_parameter("proj_out.weight")
    assert torch.equal(found, state["proj_out.weight"])


def drop(name: str) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda state: state.pop(name)


def put(name: str, tensor: torch.Tensor) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda state: state.update({name: tensor})


@pytest.mark.parametrize(
    ("file", "edit", "named"),
    [
        (TRANSFORMER, drop("proj_out.weight"), "proj_out.weight"),
        (TRANSFORMER, drop("transformer_blocks.0.attn.to_k.weight"), "transformer_blocks.0.attn.to_k.weight"),
        (TRANSFORMER, put("more.weight", torch.ones(1)), "more.weight"),
        (TRANSFORMER, put("proj_out.weight", torch.ones(32, 127)), "proj_out.weight"),
        (TRANSFORMER, put("proj_out.weight", torch.ones(32, 128, dtype=torch.int32)), "int32"),
        (TRANSFORMER, put("transformer_blocks.0.attn.to_k.weight", torch.ones(128, 64)), "attn.to_k.weight"),
        (TEXT_ENCODER, drop("model.layers.2.self_attn.q_norm.weight"), "layers.2.self_attn.q_norm.weight"),
        (
            TEXT_ENCODER,
            put("model.layers.0.self_attn.q_proj.bias", torch.ones(128)),
            "layers.0.self_attn.q_proj.bias",
        ),
        (TEXT_ENCODER, drop("model.embed_tokens.weight"), "model.embed_tokens.weight"),
        (VAE, drop("bn.running_var"), "bn.running_var"),
        (VAE, put("decoder.conv_in.bias", torch.ones(3)), "decoder.conv_in.bias"),
        (VAE, put("decoder.more.weight", torch.ones(3)), "decoder.more.weight"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tensors_that_do_not_fit_are_named(
    model: Path, file: str, edit: Callable[[dict[str, torch.Tensor]], Any], named: str
) -> None:
    change(model, file, edit)
    with pytest.raises(CheckpointInvalid, match="tensor") as error:
        load(model)
    assert named in error.value.message
    assert file.split("/")[0] in str(error.value.field)


LINEAR = "single_transformer_blocks.0.attn.to_out.weight"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop(f"{LINEAR}.scales"), f"{LINEAR}.scales"),
        (put(f"{LINEAR}.scales", torch.ones(128, 3)), "scales"),
        (put(f"{LINEAR}.scales", torch.full((128, 3), torch.nan).half()), "finite"),
        (put(f"{LINEAR}.packed", torch.zeros(128, 32, dtype=torch.uint8)), "packed"),
        (put(f"{LINEAR}.packed", torch.full((128, 96), 0b10, dtype=torch.uint8)), "code 10"),
    ],
)
def test_packed_tensors_that_do_not_fit_are_named(
    packed: Path, edit: Callable[[dict[str, torch.Tensor]], Any], message: str
) -> None:
    change(packed, TRANSFORMER, edit)
    with pytest.raises(CheckpointInvalid, match=message) as error:
        load(packed)
    assert LINEAR in error.value.message


@pytest.mark.parametrize(
    ("quantization", "message"),
    [
        (None, "no quantization_config"),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
        ({"quant_method": "imagegen", "format": "int3", "group_size": 128}, "int3"),
        ({"quant_method": "imagegen", "format": "ternary", "group_size": "all"}, "all"),
        ({"quant_method": "imagegen", "format": "ternary", "group_size": 256}, "does not fit"),
        ({"quant_method": "imagegen", "format": "int8", "group_size": 128}, "does not fit"),
    ],
)
def test_a_quantisation_that_is_not_ours_is_refused(packed: Path, quantization: object, message: str) -> None:
    set_config(packed, "transformer", quantization_config=quantization)
    with pytest.raises(CheckpointInvalid, match=message):
        load(packed)


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        ("transformer", {"guidance_embeds": True}, "guidance_embeds"),
        ("transformer", {"num_layers": "two"}, "num_layers"),
        ("text_encoder", {"model_type": "t5"}, "t5"),
        ("text_encoder", {"num_hidden_layers": 2}, "layer 3"),
        ("vae", {"act_fn": "relu"}, "act_fn"),
    ],
)
def test_a_network_that_cannot_be_run_is_refused_by_its_config(
    model: Path, component: str, changes: dict[str, object], message: str
) -> None:
    set_config(model, component, **changes)
    with pytest.raises(CheckpointInvalid, match=message) as error:
        load(model)
    assert error.value.field == str(model / component / "config.json")


def test_a_config_that_lacks_a_key_is_refused(model: Path) -> None:
    (model / "transformer" / "config.json").write_text("{}")
    with pytest.raises(CheckpointInvalid, match="lacks in_channels"):
        load(model)


@pytest.mark.parametrize("file", [TRANSFORMER, TEXT_ENCODER, VAE])
def test_a_truncated_or_missing_file_is_named(model: Path, file: str) -> None:
    path = model / file
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointInvalid, match="complete") as error:
        load(model)
    assert error.value.field == str(path)
    path.unlink()
    with pytest.raises(CheckpointInvalid, match="no weights"):
        load(model)


@pytest.mark.parametrize(
    "file", ["scheduler/scheduler_config.json", "vae/config.json", "tokenizer/tokenizer.json"]
)
def test_a_missing_small_file_is_named(model: Path, file: str) -> None:
    (model / file).unlink()
    with pytest.raises(CheckpointInvalid) as error:
        load(model)
    assert error.value.field == str(model / file)
