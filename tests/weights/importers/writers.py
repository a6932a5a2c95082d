"""Checkpoints in other people's layouts, written from a miniature in diffusers layout.

GGUF and safetensors are written by their own packages. gemlite's, MLX's and HQQ's codes are packed here, as
these tools pack them: test_packs.py holds the packing against files that the tools wrote.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from safetensors.torch import load_file, save_file
from torch import Tensor

from imagegen.networks.transformer import Transformer, TransformerConfig
from imagegen.weights.config import read_config
from imagegen.weights.importers.names import TRANSFORMER, Bfl

FILE = "diffusion_pytorch_model.safetensors"


def pack_low_first(codes: Tensor, bits: int, width: int) -> Tensor:
    """Codes [N, K] in unsigned integers of `width` bits [N, K * bits / width], the first code lowest."""
    each = width // bits
    fields = codes.numpy().astype(np.uint64).reshape(len(codes), -1, each)
    words = (fields << (np.arange(each, dtype=np.uint64) * np.uint64(bits))).sum(-1, dtype=np.uint64)
    return torch.from_numpy(words.astype({8: np.uint8, 32: np.uint32}[width]))


def scales_of(weight: Tensor, group: int = 128) -> Tensor:
    return weight.view(len(weight), -1, group).abs().amax(-1)


def levels_of(weight: Tensor, group: int = 128) -> Tensor:
    """-1, 0, +1 of an exactly ternary weight, int8 [N, K]."""
    return weight.sign().to(torch.int8)


def gemlite_linear(weight: Tensor, bits: int, width: int = 8, fma: bool = True) -> dict[str, Tensor]:
    """What GemLiteLinearTriton.pack keeps of a ternary (2 bits) or binary (1 bit) float16 weight."""
    scale, levels = scales_of(weight).half(), levels_of(weight)
    codes, step, zero = (levels + 1, scale, 1.0) if bits == 2 else ((levels + 1) // 2, scale * 2, 0.5)
    zeros = (-zero * step.float()).half() if fma else torch.full_like(step, zero)
    packed = pack_low_first(codes, bits, width).t().contiguous()
    mode = 4 if fma else 3
    mask = (1 << bits) - 1
    metadata = [0, bits, 128, mask, width // bits, 1, 1, 0, 1, 0, mode, 1]
    return {
        "W_q": packed.view(torch.int32) if width == 32 else packed,
        "scales": step.t().contiguous(),
        "zeros": zeros.t().contiguous(),
        "metadata": torch.tensor(metadata, dtype=torch.int32),
        "orig_shape": torch.tensor(weight.shape, dtype=torch.int32),
    }


def mlx_linear(weight: Tensor, bits: int) -> dict[str, Tensor]:
    """A ternary (2 bits) or binary (1 bit) weight as MLX's affine codes of groups of 128."""
    scale, levels = scales_of(weight), levels_of(weight)
    codes, step = (levels + 1, scale) if bits == 2 else ((levels + 1) // 2, scale * 2)
    return {"weight": pack_low_first(codes, bits, 32), "scales": step, "biases": -scale}


def hqq_linear(weight: Tensor, group: int = 64) -> dict[str, Any]:
    """4-bit codes with a float16 zero a group, as HQQLinear's state has them (without its optimisation)."""
    groups = weight.float().reshape(-1, group)
    low, high = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    scale = ((high - low) / 15).half()
    zero = (-low / scale.float()).half()
    codes = (groups / scale.float() + zero.float()).round().clamp(0, 15).to(torch.uint8)
    half = len(codes) // 2
    return {
        "W_q": codes[:half] << 4 | codes[half:],
        "scale": scale,
        "zero": zero,
        "nbits": 4,
        "group_size": group,
        "shape": weight.shape,
        "axis": 1,
        "packing": "4bit_u8",
        "compute_dtype": torch.float16,
        "view_as_float": False,
        "unpack_view_dtype": torch.uint8,
    }


def is_block_linear(name: str, tensor: Tensor) -> bool:
    return tensor.ndim == 2 and "blocks." in name


def bfl_state(folder: Path) -> dict[str, Tensor]:
    """The transformer of a checkpoint in diffusers layout under BFL's names."""
    state = load_file(folder / "transformer" / FILE)
    config = json.loads((folder / "transformer" / "config.json").read_text())
    with torch.device("meta"):
        names = [name for name, _ in Transformer(read_config(TransformerConfig, config)).named_parameters()]
    theirs: dict[str, Tensor] = {}
    for name in names:
        whole = torch.cat([state[piece.name] for piece in TRANSFORMER(name)])
        piece, *more = Bfl("", frozenset())(name)
        target = piece.name.replace(".weight", ".scale") if "_norm" in piece.name else piece.name
        theirs[target] = torch.cat(list(reversed(whole.chunk(2)))) if more else whole
    return theirs


def write_bfl(folder: Path, target: Path, prefix: str = "") -> Path:
    save_file({prefix + name: tensor.contiguous() for name, tensor in bfl_state(folder).items()}, target)
    return target


def write_gguf(folder: Path, target: Path, kind: str) -> Path:
    """Norms in F32, the first and last linears in F16, the blocks' linears in `kind`; of Q2_K those whose
    columns its blocks divide."""
    from gguf import quantize

    writer = GGUFWriter(target, "flux")
    for name, tensor in bfl_state(folder).items():
        array = tensor.float().numpy()
        if tensor.ndim == 1:
            writer.add_tensor(name, array)
        elif "blocks." not in name or kind == "F16":
            writer.add_tensor(name, array.astype(np.float16))
        elif kind == "BF16":
            bits = tensor.bfloat16().view(torch.int16).numpy().view(np.uint8)
            writer.add_tensor(name, bits, raw_dtype=GGMLQuantizationType.BF16)
        elif kind == "Q2_K" and tensor.shape[1] % 256:
            writer.add_tensor(name, array.astype(np.float16))
        elif kind == "Q2_K":
            writer.add_tensor(name, q2_k(*tensor.shape), raw_dtype=GGMLQuantizationType.Q2_K)
        elif kind == "Q1_0":
            writer.add_tensor(name, q1_0(tensor), raw_dtype=GGMLQuantizationType.Q1_0)
        else:
            type_ = GGMLQuantizationType[kind]
            writer.add_tensor(name, quantize(array, type_), raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def q1_0(weight: Tensor) -> Any:
    """A binary weight in blocks of a float16 scale and 128 signs: the package has no quantiser for it."""
    groups = weight.float().numpy().reshape(-1, 128)
    scales = np.abs(groups).max(1).astype(np.float16)
    signs = np.packbits(groups > 0, axis=1, bitorder="little")
    blocks = np.concatenate([scales.view(np.uint8).reshape(-1, 2), signs], axis=1)
    return blocks.reshape(len(weight), -1)


def q2_k(rows: int, columns: int) -> Any:
    """Random blocks of 256 columns: 80 bytes of codes and scales, which any bits are, and two float16
    scales. The package only reads them."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (rows, columns // 256, 84), dtype=np.uint8)
    blocks[..., 80:] = random.uniform(0.001, 0.01, (*blocks.shape[:2], 2)).astype(np.float16).view(np.uint8)
    return blocks.reshape(rows, -1)


def write_gemlite(folder: Path, target: Path, bits: int = 2) -> Path:
    """The vendor's layout: state_dict.pt, and the text encoder as HQQ's qmodel.pt."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copytree(folder / "vae", target / "vae", dirs_exist_ok=True)
    state: dict[str, Any] = {}
    for name, tensor in load_file(folder / "transformer" / FILE).items():
        if is_block_linear(name, tensor):
            packed = gemlite_linear(tensor.half(), bits)
            state |= {f"{name.removesuffix('weight')}{leaf}": part for leaf, part in packed.items()}
        else:
            state[name] = tensor.half()
    torch.save(state, target / "transformer" / "state_dict.pt")
    encoder: dict[str, dict[str, Any]] = {}
    for name, tensor in load_file(folder / "text_encoder" / "model.safetensors").items():
        module, _, leaf = name.rpartition(".")
        linear = tensor.ndim == 2 and ".layers." in name
        encoder[module] = hqq_linear(tensor) if linear else {leaf: tensor.half()}
    torch.save(encoder, target / "text_encoder" / "qmodel.pt")
    (target / "transformer").rename(target / f"transformer-gemlite-int{bits}")
    (target / "text_encoder").rename(target / "text_encoder-hqq-4bit")
    return target


def write_mlx(folder: Path, target: Path, bits: int = 2) -> Path:
    shutil.copytree(folder, target)
    (target / "transformer").rename(target / "transformer-packed-mflux")
    path = target / "transformer-packed-mflux" / FILE
    state: dict[str, Tensor] = {}
    for name, tensor in load_file(folder / "transformer" / FILE).items():
        if is_block_linear(name, tensor):
            packed = mlx_linear(tensor.half(), bits)
            state |= {f"{name.removesuffix('weight')}{leaf}": part for leaf, part in packed.items()}
        else:
            state[name] = tensor.half()
    path.unlink()
    save_file(state, path)
    config = {"bits": bits, "group_size": 128, "skip_patterns": []}
    (path.parent / "quantization_config.json").write_text(json.dumps(config))
    return target
