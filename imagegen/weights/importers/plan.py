"""What an import will write: every tensor of the networks, the stored ones that it is made of, and what is
left over. All of it is checked before a byte is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from imagegen.errors import CheckpointInvalid
from imagegen.networks.autoencoder import AutoencoderConfig
from imagegen.networks.text_encoder import TextEncoder, TextEncoderConfig
from imagegen.networks.transformer import Transformer, TransformerConfig
from imagegen.weights.config import read_config
from imagegen.weights.importers.find import Component, Found
from imagegen.weights.importers.names import Piece
from imagegen.weights.preview_file import read_preview_decoder


@dataclass(frozen=True)
class Target:
    """A tensor of ours: the stored ones it is made of and whether it may be packed."""

    name: str
    pieces: tuple[Piece, ...]
    packable: bool


@dataclass(frozen=True)
class Plan:
    component: str
    source: Component
    targets: tuple[Target, ...]
    nbytes: int


def plans(found: Found) -> list[Plan]:
    """Every tensor to write, checked against the networks. Raises CheckpointInvalid before anything is
    written."""
    transformer, encoder, vae = found.transformer, found.text_encoder, found.vae
    if transformer is None or encoder is None or vae is None:  # _completed has seen to it
        raise CheckpointInvalid("is not complete")
    depth = max(found.own.get("defaults", {}).get("text_encoder_out_layers", [9, 18, 27]))
    with _config_errors(transformer), torch.device("meta"):
        image_network = Transformer(read_config(TransformerConfig, transformer.config))
    with _config_errors(encoder), torch.device("meta"):
        text_network = TextEncoder(read_config(TextEncoderConfig, encoder.config), (depth,))
    plans = [
        _plan("transformer", transformer, _shapes(image_network, ""), lambda name: "blocks." in name),
        _plan(
            "text_encoder",
            encoder,
            _shapes(text_network, "model."),
            lambda name: ".layers." in name,
            unused=lambda name: _deeper(name, depth),
        ),
    ]
    kept = tuple(Target(name, (Piece(name),), False) for name in vae.tensors)
    plans.append(Plan("vae", vae, kept, sum(vae.tensors.nbytes(name) for name in vae.tensors)))
    if found.preview_decoder is not None:
        with _config_errors(vae):
            read_preview_decoder(found.preview_decoder, read_config(AutoencoderConfig, vae.config))
    return plans


@contextmanager
def _config_errors(component: Component) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        raise CheckpointInvalid(str(error), field=component.field) from error


def _shapes(network: torch.nn.Module, prefix: str) -> dict[str, tuple[int, ...]]:
    return {prefix + name: tuple(tensor.shape) for name, tensor in network.named_parameters()}


def _deeper(name: str, depth: int) -> bool:
    """Layers of Qwen3 that the pipeline never runs; they are not copied."""
    layer = re.match(r"model\.layers\.(\d+)\.", name)
    return int(layer[1]) >= depth if layer else name in ("model.norm.weight", "lm_head.weight")


def _plan(
    component: str,
    source: Component,
    shapes: dict[str, tuple[int, ...]],
    packable: Callable[[str], bool],
    unused: Callable[[str], bool] = lambda name: False,
) -> Plan:
    tensors, targets = source.tensors, []
    used: set[str] = set()
    for name, shape in shapes.items():
        pieces = source.naming(name)
        for piece in pieces:
            if piece.name not in tensors:
                raise CheckpointInvalid(f"lacks the tensor {piece.name}", field=source.field)
        rows = sum(tensors.shape(piece.name)[0] // piece.of for piece in pieces)
        if (rows, *tensors.shape(pieces[0].name)[1:]) != shape:
            raise CheckpointInvalid(
                f"tensor {' + '.join(piece.name for piece in pieces)} has the shape"
                f" {[rows, *tensors.shape(pieces[0].name)[1:]]}, expected {list(shape)}",
                field=str(tensors.file_of(pieces[0].name)),
            )
        used.update(piece.name for piece in pieces)
        targets.append(Target(name, pieces, len(shape) == 2 and packable(name)))
    for name in tensors:
        if name not in used and not unused(name):
            raise CheckpointInvalid(
                f"holds the tensor {name}, which this network has no place for",
                field=str(tensors.file_of(name)),
            )
    return Plan(component, source, tuple(targets), sum(tensors.nbytes(name) for name in used))
