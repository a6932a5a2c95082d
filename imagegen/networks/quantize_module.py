"""Packs the linears of any model in place: for diffusers and transformers models that have no network of
their own here.

It knows `nn.Linear` and nothing else of the model. To save what it made is not its business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from imagegen.networks.quantized_linear import Activations, QuantizedLinear
from imagegen_kernels.formats import (
    Format,
    PackedWeight,
    check_layout,
    dequantize,
    packed_bytes,
    quantize_binary,
    quantize_int4,
    quantize_int8,
    quantize_ternary,
)
from imagegen_kernels.matmul.reference import fold


@dataclass(frozen=True)
class PackedLayer:
    """What packing did to one linear. Errors are relative to the weight, Euclidean: |new - old| / |old|."""

    name: str
    shape: tuple[int, int]
    bytes_before: int
    bytes_after: int
    error: float
    """of the packed weight"""
    folded_error: float
    """of the weight that the product multiplies by, with group scales folded to one a row; the same where
    activations are not quantised"""
    activations: Activations


@dataclass(frozen=True)
class Report:
    """What `quantize_module` did: the layers it packed, and the linears it left, each with the reason."""

    format: Format
    packed: tuple[PackedLayer, ...]
    kept: dict[str, str]

    @property
    def bytes_before(self) -> int:
        """Bytes of the weights that are packed now, as they were."""
        return sum(layer.bytes_before for layer in self.packed)

    @property
    def bytes_after(self) -> int:
        """Bytes of codes, scales and zero points. The first call on a CPU adds a byte a weight."""
        return sum(layer.bytes_after for layer in self.packed)

    def __str__(self) -> str:
        before, after = f"{self.bytes_before / 1e6:.2f} MB before", f"{self.bytes_after / 1e6:.2f} MB after"
        lines = [f"{len(self.packed)} linears packed as {self.format}: {before}, {after}"]
        lines += [
            f"  {layer.name} {layer.shape}: error {layer.error:.2%}, folded {layer.folded_error:.2%},"
            f" {layer.activations} activations"
            for layer in self.packed
        ]
        lines += [f"  {name}: kept, {why}" for name, why in self.kept.items()]
        return "\n".join(lines)


@torch.no_grad()
def quantize_module(
    model: nn.Module,
    format: Format,
    *,
    skip: Collection[str] = (),
    group_size: int | None = None,
    zero_points: bool = False,
    float_activations: Collection[str] = (),
) -> Report:
    """Replace every `nn.Linear` in `model` by one that runs on a packed weight, in place.

    skip         patterns of names that stay as they are ("proj_out", "*.norm1.*"), as in the shell
    group_size   columns that share a scale; None: 128, and for "int8" the whole row
    zero_points  "int4" only: with a zero point for each group
    float_activations  patterns of names whose activations stay as they are, for layers that do not bear int8

    Kept, and reported, is also a linear whose shape does not fit the format, whose weight another module
    shares (a tied embedding) or whose class is derived from `nn.Linear` (its owner may read the weight).

    The model is for inference then: its packed layers give no gradients, stay on the device where they are,
    and are in no state dict; `state_dict` raises RuntimeError rather than leave them out.

    Raises ValueError, with the model as it was, for a pattern that names no linear, for a weight that holds
    NaN or infinity or is too large for float16 scales, and for a model that is a linear itself.
    """
    if zero_points and format != "int4":
        raise ValueError(f"zero points are int4's: there are none in {format}")
    if group_size is None and format != "int8":
        group_size = 128
    if group_size is not None:
        check_layout(format, 1, 128 * max(group_size, 1), group_size)
    names: dict[nn.Linear, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, nn.Linear):
            names.setdefault(module, []).append(name)
    if model in names:
        raise ValueError("the model is a linear itself: there is no place to put another")
    every = [name for places in names.values() for name in places]
    for argument, patterns in (("skip", skip), ("float_activations", float_activations)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in every):
                raise ValueError(f"{argument}: {pattern!r} names no linear of the model")

    holders = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    layers, kept, replacements = [], {}, dict[nn.Linear, QuantizedLinear]()
    for linear, places in names.items():
        name, size = places[0], linear.in_features if group_size is None else group_size
        if _named(places, skip):
            kept[name] = "skipped"
        elif type(linear) is not nn.Linear:
            kept[name] = f"a {type(linear).__name__}, not a plain Linear"
        elif holders[id(linear.weight)] > 1:
            kept[name] = "another module shares its weight"
        elif why := _misfit(format, linear, size):
            kept[name] = why
        else:
            try:
                weight = _quantized(format, linear.weight, size, zero_points)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            given: Activations | None = "float" if _named(places, float_activations) else None
            layer = QuantizedLinear(weight, _detached(linear.bias), activations=given)
            layers.append(_described(name, linear.weight, layer))
            replacements[linear] = layer
    for linear, layer in replacements.items():
        layer.register_state_dict_pre_hook(_refuse_state_dict)  # type: ignore[no-untyped-call]
        for place in names[linear]:
            model.set_submodule(place, layer)
    return Report(format, tuple(layers), kept)


def _named(places: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(place, pattern) for place in places for pattern in patterns)


def _misfit(format: Format, linear: nn.Linear, group_size: int) -> str | None:
    try:
        check_layout(format, linear.out_features, linear.in_features, group_size)
    except ValueError as error:
        return str(error)
    return None


def _detached(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach()


def _quantized(format: Format, weight: Tensor, group_size: int, zero_points: bool) -> PackedWeight:
    if format == "binary":
        return quantize_binary(weight, group_size)
    if format == "ternary":
        return quantize_ternary(weight, group_size)
    if format == "int4":
        return quantize_int4(weight, group_size, zero_points)
    return quantize_int8(weight, group_size)


def _described(name: str, dense: Tensor, layer: QuantizedLinear) -> PackedLayer:
    weight = layer.weight
    error = folded_error = _relative_error(dequantize(weight), dense)
    if layer.activations == "int8":
        codes, row_scale = fold(weight)
        folded_error = _relative_error(codes.float().mul_(row_scale.unsqueeze(1)), dense)
    return PackedLayer(
        name=name,
        shape=weight.shape,
        bytes_before=dense.nbytes,
        bytes_after=packed_bytes(
            weight.format, *weight.shape, weight.group_size, zero_points=weight.zero_points is not None
        ),
        error=error,
        folded_error=folded_error,
        activations=layer.activations,
    )


def _relative_error(approximate: Tensor, dense: Tensor) -> float:
    dense = dense.float()
    size = float(dense.norm())
    return float(approximate.sub_(dense).norm()) / size if size else 0.0


def _refuse_state_dict(module: nn.Module, prefix: str, keep_vars: bool) -> Any:
    raise RuntimeError(
        f"{prefix.rstrip('.')} is packed and in no state dict: save the model before quantize_module"
    )
