"""Packs by module: plain tensors, MLX's affine codes, gemlite's and HQQ's, told apart by their parts.

MLX      weight uint32 [N, K * bits / 32], scales and biases [N, G]: w = scale * code + bias; the first code
         in the lowest bits. config.json says group size and bits.
gemlite  W_q integers [K / (width / bits), N], scales [G, N], zeros, orig_shape and metadata of twelve numbers
         (1: bits, 4: codes in an integer, 10: group mode). Mode 3: w = (code - zero) * scale; 4: code * scale
         + zero; 2: code * scale.
HQQ      W_q uint8, scale and zero of groups along the input (axis 1), nbits, shape: w = (code - zero) * scale
         in compute_dtype. The codes of a byte lie a half (4 bits) or a quarter (2 bits) of the rows apart.

As mlx.core.quantize, gemlite.core.GemLiteLinearTriton.pack and hqq.core.quantize.Quantizer write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from imagegen.errors import CheckpointInvalid
from imagegen.weights.importers.stored import Coded, Stored, low_bits_first

_GEMLITE_PARTS = ("W_q", "scales", "zeros", "metadata", "orig_shape", "meta_scale")
_HQQ_NAMES = {1: "1bit_u8", 2: "2bit_u8", 4: "4bit_u8", 8: "8bit_u8"}


class RawTensors(Protocol):
    """What a file holds by name: tensors, and of HQQ numbers and words beside them."""

    def __contains__(self, name: str) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def read(self, name: str) -> Any: ...

    def file_of(self, name: str) -> Path: ...

    def release(self) -> None: ...


class Packs:
    """The tensors that `raw` stands for: a packed module M is one tensor, M.weight."""

    def __init__(self, raw: RawTensors, quantization: Mapping[str, Any] | None = None) -> None:
        """`quantization` is what config.json says of MLX's codes: group_size and bits."""
        self._raw = raw
        self._quantization = quantization or {}
        self._reader: dict[str, Callable[[str], Coded]] = {}
        self.tool: str | None = None
        """whose packs these are: mlx, gemlite, hqq; None for none"""
        parts: set[str] = set()
        for name in raw:
            module, _, leaf = name.rpartition(".")
            if leaf == "W_q" and f"{module}.metadata" in raw:
                self._reader[f"{module}.weight"], self.tool = self._gemlite, "gemlite"
                parts.update(f"{module}.{part}" for part in _GEMLITE_PARTS)
            elif leaf == "W_q":
                self._reader[f"{module}.weight"], self.tool = self._hqq, "hqq"
                parts.update(other for other in raw if other.startswith(f"{module}."))
            elif leaf == "scales" and f"{module}.biases" in raw and f"{module}.weight" in raw:
                self._reader[f"{module}.weight"], self.tool = self._mlx, "mlx"
                parts.update((f"{module}.scales", f"{module}.biases"))
        plain = [name for name in raw if name not in parts and name not in self._reader]
        self._names = [*self._reader, *plain]

    def __contains__(self, name: str) -> bool:
        return name in self._reader or name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def release(self) -> None:
        self._raw.release()

    def file_of(self, name: str) -> Path:
        return self._raw.file_of(self._parts(name)[0])

    def nbytes(self, name: str) -> int:
        return sum(part.nbytes for part in map(self._raw.read, self._parts(name)) if isinstance(part, Tensor))

    def shape(self, name: str) -> tuple[int, ...]:
        module = name.removesuffix(".weight")
        if (reader := self._reader.get(name)) == self._gemlite:
            return tuple(self._raw.read(f"{module}.orig_shape").tolist())
        if reader == self._hqq:
            return tuple(self._raw.read(f"{module}.shape"))
        if reader == self._mlx:
            rows, columns, _ = self._mlx_shape(module)
            return rows, columns
        return tuple(self._raw.read(name).shape)

    def read(self, name: str) -> Stored:
        if name not in self._reader:
            tensor: Tensor = self._raw.read(name)
            return tensor
        try:
            return self._reader[name](name.removesuffix(".weight"))
        except (ValueError, KeyError, RuntimeError, TypeError) as error:
            raise CheckpointInvalid(
                f"tensor {name} is packed in a way that is not known: {error}", field=str(self.file_of(name))
            ) from error

    def _parts(self, name: str) -> list[str]:
        module = name.removesuffix(".weight")
        if name not in self._reader:
            return [name]
        leaves = ("weight", "W_q", "scales", "scale", "zeros", "zero", "biases")
        return [f"{module}.{leaf}" for leaf in leaves if f"{module}.{leaf}" in self._raw]

    def _mlx_shape(self, module: str) -> tuple[int, int, int]:
        """Rows, columns, bits. The shapes alone leave open which: a file of MLX goes with a config.json."""
        words, scales = self._raw.read(f"{module}.weight"), self._raw.read(f"{module}.scales")
        known = {**self._quantization, **_object(self._quantization.get(module))}
        if "group_size" not in known or "bits" not in known:
            raise ValueError("neither config.json nor quantization_config.json says group_size and bits")
        bits, columns = int(known["bits"]), scales.shape[1] * int(known["group_size"])
        if words.dtype != torch.uint32 or tuple(words.shape) != (scales.shape[0], columns * bits // 32):
            raise ValueError(
                f"weight is {words.dtype} {list(words.shape)} beside scales {list(scales.shape)},"
                f" group_size {known['group_size']}, bits {bits}"
            )
        return words.shape[0], columns, bits

    def _mlx(self, module: str) -> Coded:
        rows, columns, bits = self._mlx_shape(module)
        if bits not in (1, 2, 4, 8):
            raise ValueError(f"{bits} bits")
        words = self._raw.read(f"{module}.weight")
        scales, biases = self._raw.read(f"{module}.scales"), self._raw.read(f"{module}.biases")
        codes = low_bits_first(words.view(torch.int32), bits)

        def unpack() -> Tensor:
            # mlx computes in the dtype of the scales: on a CPU the product and the sum are rounded each.
            groups = codes.view(*scales.shape, -1).to(scales.dtype)
            dense: Tensor = groups * scales.unsqueeze(-1) + biases.unsqueeze(-1)
            return dense.view(rows, columns)

        return Coded(codes, scales.double(), biases.double(), bits, unpack)

    def _gemlite(self, module: str) -> Coded:
        def part(leaf: str) -> Tensor:
            tensor: Tensor = self._raw.read(f"{module}.{leaf}")
            return tensor

        metadata = part("metadata").tolist()
        rows, columns = part("orig_shape").tolist()
        bits, mode, channel_scale = metadata[1], metadata[10], metadata[9]
        if bits not in (1, 2, 4, 8) or mode not in (2, 3, 4) or channel_scale != 0:
            raise ValueError(f"bits {bits}, group mode {mode}, channel scale mode {channel_scale}")
        codes = low_bits_first(part("W_q").t(), bits)
        if tuple(codes.shape) != (rows, columns):
            raise ValueError(f"codes of shape {list(codes.shape)} for a weight of shape {[rows, columns]}")
        narrow, scale, zeros = part("scales").t(), part("scales").t().double(), part("zeros")
        if mode == 2:
            offset = torch.zeros_like(scale)
        elif mode == 4:
            offset = zeros.t().double()
        else:
            offset = -(zeros.double() if zeros.numel() == 1 else zeros.t().double()) * scale

        def unpack() -> Tensor:
            wide = codes.view(*scale.shape, -1) * scale.float().unsqueeze(-1) + offset.float().unsqueeze(-1)
            return wide.to(narrow.dtype).view(rows, columns)

        return Coded(codes, scale, offset, bits, unpack)

    def _hqq(self, module: str) -> Coded:
        def part(leaf: str) -> Any:
            return self._raw.read(f"{module}.{leaf}")

        (rows, columns), bits = tuple(part("shape")), int(part("nbits"))
        if bits not in _HQQ_NAMES or part("packing") != _HQQ_NAMES[bits] or int(part("axis")) != 1:
            raise ValueError(f"nbits {bits}, packing {part('packing')!r}, axis {part('axis')}")
        packed = part("W_q")
        if packed.dtype != torch.uint8:
            packed = packed.view(torch.uint8)
        shifts = range(8 - bits, -1, -bits)
        codes = torch.cat([packed >> shift & (1 << bits) - 1 for shift in shifts]).view(rows, columns)
        narrow_scale, narrow_zero = part("scale").view(rows, -1), part("zero").view(rows, -1)
        scale = narrow_scale.double()

        def unpack() -> Tensor:
            groups = codes.view(*scale.shape, -1).to(narrow_scale.dtype)
            dense: Tensor = (groups - narrow_zero.unsqueeze(-1)) * narrow_scale.unsqueeze(-1)
            return dense.view(rows, columns)

        return Coded(codes, scale, -narrow_zero.double() * scale, bits, unpack)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
