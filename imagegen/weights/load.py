"""A checkpoint becomes networks: shapes from config.json, tensors by name from safetensors, packed linears
where codes are stored.

Networks are built on torch's meta device, without memory and without random numbers, and each tensor is
assigned from the mapped file; only a tensor whose dtype must change, or that is one of several that run as
one linear, is copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import torch
from torch import Tensor, nn

from imagegen.errors import CheckpointInvalid, InvalidRequest, SettingsInvalid
from imagegen.networks.autoencoder import Autoencoder, AutoencoderConfig
from imagegen.networks.quantized_linear import Activations, LowRank, QuantizedLinear
from imagegen.networks.text_encoder import Embedding, TextEncoder, TextEncoderConfig
from imagegen.networks.transformer import Transformer, TransformerConfig
from imagegen.weights.catalog import ModelCard
from imagegen.weights.config import read_config
from imagegen.weights.held import Held
from imagegen.weights.locate import COPY_AGAIN, TensorFiles, read_json
from imagegen.weights.tokenizer import PromptTokenizer, load_tokenizer
from imagegen_kernels.formats import Format, PackedWeight
from imagegen_kernels.silu_conv import implementation as silu_conv_implementation

SMALL_NETWORK = 128 << 20
"""A CPU runs a component in float32 up to this many bytes of float32 weights, a larger one in bfloat16.

Measured on Zen 4: FLUX.2's own decoder (200 MB) takes 14 s in float32 and 7.5 s in bfloat16 for 512x512.
"""


@dataclass(frozen=True)
class Components:
    """What a pipeline runs. `scheduler` is the content of scheduler/scheduler_config.json."""

    card: ModelCard
    device: torch.device
    transformer: Transformer
    held_text_encoder: Held[TextEncoder]
    tokenizer: PromptTokenizer
    autoencoder: Autoencoder
    scheduler: dict[str, Any]

    @property
    def text_encoder(self) -> TextEncoder:
        """Loaded again if it was let go."""
        return self.held_text_encoder.get()


def load_components(card: ModelCard, device: str = "auto", dtype: torch.dtype | None = None) -> Components:
    """Everything that makes pictures, on `device` ("auto": cuda where there is one), in `dtype` (None: what
    suits the device).

    Raises CheckpointInvalid naming the file and tensor that is missing, left over, misshapen, truncated or
    unsupported.
    """
    place = device_of(device)
    loader = _Loader(card.path, place, dtype)
    transformer = loader.load(
        "transformer",
        lambda config: Transformer(read_config(TransformerConfig, config)),
        fused=Transformer.FUSED,
    )
    text_encoder = Held(
        lambda: loader.load(
            "text_encoder",
            lambda config: TextEncoder(read_config(TextEncoderConfig, config), card.text_encoder_out_layers),
            fused=TextEncoder.FUSED,
            prefix="model.",
            unused=_above(max(card.text_encoder_out_layers)),
        )
    )
    text_encoder.get()  # what is wrong with it is said now
    autoencoder = loader.load(
        "vae",
        lambda config: Autoencoder(read_config(AutoencoderConfig, config), parts=("decoder",)),
        wide=Autoencoder.WIDE,
        unused=lambda name: name.startswith(("encoder.", "quant_conv.", "bn.num_batches_tracked")),
    )
    if place.type == "cpu":
        autoencoder.decoder.fold()
        if dtype is None and autoencoder.dtype == torch.float32 and _convolves_int8():
            autoencoder.decoder.quantize(torch.bfloat16 if _multiplies_bfloat16() else torch.float32)
    # Measured on the starter's decoder (256x256, float32, one Zen 4 thread): 0.104 s against 0.138 s.
    autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Components(
        card=card,
        device=place,
        transformer=transformer,
        held_text_encoder=text_encoder,
        tokenizer=load_tokenizer(card.path / "tokenizer"),
        autoencoder=autoencoder,
        scheduler=read_json(card.path / "scheduler" / "scheduler_config.json"),
    )


def load_encoder(components: Components) -> Autoencoder:
    """The half of the autoencoder that reads pictures, which only those need who start from one: on the
    device and in the dtype of the other half.

    Raises InvalidRequest for a checkpoint without it, and CheckpointInvalid as `load_components` does.
    """
    card, decoder = components.card, components.autoencoder
    if not any(name.startswith("encoder.") for name in TensorFiles(card.path / "vae")):
        raise InvalidRequest(
            f"{card.name} came without the part that reads pictures, and makes them from words only",
            field="model",
        )
    encoder = _Loader(card.path, components.device, decoder.dtype).load(
        "vae",
        lambda config: Autoencoder(read_config(AutoencoderConfig, config), parts=("encoder",)),
        unused=lambda name: name.startswith(("decoder.", "post_quant_conv.", "bn.num_batches_tracked")),
    )
    return encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def device_of(name: str) -> torch.device:
    """The device of a setting: "auto" is cuda where there is one. Raises SettingsInvalid."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsInvalid("torch sees no CUDA device", field="device", hint="take auto or cpu")
    return torch.device(name)


def _above(depth: int) -> Callable[[str], bool]:
    """Tensors of Qwen3 behind layer `depth`: further layers, the last norm, the head that predicts words."""

    def unused(name: str) -> bool:
        layer = re.match(r"model\.layers\.(\d+)\.", name)
        return int(layer[1]) >= depth if layer else name in ("model.norm.weight", "lm_head.weight")

    return unused


Network = TypeVar("Network", bound=nn.Module)


def _multiplies_bfloat16() -> bool:
    """Whether this CPU has bfloat16 dot products (AVX512-BF16, AMX); without, convolutions in it are
    emulated.

    Measured on the starter's decoder, one Zen 5 core, ms of processor time: 60 in float32, 39 in bfloat16
    with the last layers in float32 (docs/decisions/007-narrow-decoder.md).
    """
    return bool(torch.cpu._is_avx512_bf16_supported())


def _convolves_int8() -> bool:
    """Whether this CPU convolves int8 codes faster than floats, so that a small decoder is quantised."""
    return silu_conv_implementation("cpu")[0] != "reference"


class _Loader:
    def __init__(self, checkpoint: Path, device: torch.device, dtype: torch.dtype | None) -> None:
        self._checkpoint, self._device, self._dtype = checkpoint, device, dtype

    def load(
        self,
        component: str,
        build: Callable[[dict[str, Any]], Network],
        *,
        fused: Mapping[str, tuple[str, ...]] | None = None,
        prefix: str = "",
        wide: Collection[str] = (),
        unused: Callable[[str], bool] = lambda name: False,
    ) -> Network:
        """The network of one component folder. `fused` names linears that are stored in parts, `wide` modules
        that are never narrower than float32, `unused` tensors that may stay."""
        folder = self._checkpoint / component
        config_file = folder / "config.json"
        config = read_json(config_file)
        try:
            quantization = _Quantization.read(config.get("quantization_config"))
            with torch.device("meta"):
                network = build(config)
        except (ValueError, TypeError) as error:
            raise CheckpointInvalid(str(error), field=str(config_file)) from error
        files = TensorFiles(folder)
        dtype = self._dtype or self._suitable(network)
        state = _State(files, quantization, fused or {}, prefix, wide, dtype, self._device)
        state.fill(network)
        state.check_left_over(unused)
        return network.eval()

    def _suitable(self, network: nn.Module) -> torch.dtype:
        """float32 for a small network on a CPU, bfloat16 otherwise, and for a decoder that is not quantised
        where the CPU multiplies it."""
        size = 4 * sum(
            p.numel() for m in network.modules() if not isinstance(m, Embedding) for p in m.parameters(False)
        )
        if self._device.type != "cpu" or size > SMALL_NETWORK:
            return torch.bfloat16
        narrow = isinstance(network, Autoencoder) and _multiplies_bfloat16() and not _convolves_int8()
        return torch.bfloat16 if narrow else torch.float32


class _Stored(NamedTuple):
    """How a packed linear is stored, and what it multiplies by where that is given."""

    format: Format
    group_size: int | None
    """None: one scale a row"""
    activations: Activations | None


@dataclass(frozen=True)
class _Quantization:
    """How most packed linears of a component are stored, and each that differs."""

    most: _Stored
    layers: dict[str, _Stored]

    @classmethod
    def read(cls, config: object) -> _Quantization | None:
        """Raises ValueError for a method or layout that imagegen does not read."""
        if config is None:
            return None
        if not isinstance(config, dict) or config.get("quant_method") != "imagegen":
            method = config.get("quant_method") if isinstance(config, dict) else config
            raise ValueError(
                f"quantization_config: quant_method {method!r} is not supported, only imagegen's own"
            )
        layers = config.get("layers", {})
        if not isinstance(layers, dict):
            raise ValueError(f"quantization_config: layers is {layers!r}, no object")
        return cls(_stored(config), {name: _stored(layer) for name, layer in layers.items()})

    def of(self, module: str) -> _Stored:
        return self.layers.get(module, self.most)


def _stored(config: object) -> _Stored:
    format = config.get("format") if isinstance(config, dict) else config
    group = config.get("group_size") if isinstance(config, dict) else None
    activations = config.get("activations") if isinstance(config, dict) else None
    if activations not in (None, *get_args(Activations)):
        raise ValueError(f"quantization_config: activations {activations!r} is neither int8 nor float")
    for known in get_args(Format):
        if format == known and (group == "row" or isinstance(group, int)):
            return _Stored(known, None if group == "row" else group, activations)
    raise ValueError(f"quantization_config: format {format!r} with group_size {group!r} is not supported")


class _State:
    """Fills a network from the tensors of one component and keeps account of those that were used."""

    def __init__(
        self,
        files: TensorFiles,
        quantization: _Quantization | None,
        fused: Mapping[str, tuple[str, ...]],
        prefix: str,
        wide: Collection[str],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._files, self._quantization, self._fused = files, quantization, fused
        self._prefix, self._wide, self._dtype, self._device = prefix, wide, dtype, device
        self._used: set[str] = set()

    def fill(self, network: nn.Module) -> None:
        for path, module in list(network.named_modules()):
            sources = self._sources(path)
            if isinstance(module, nn.Linear) and any(self._is_packed(source) for source in sources):
                parent, _, child = path.rpartition(".")
                network.get_submodule(parent).register_module(child, self._packed_linear(module, sources))
                continue
            dtype: torch.dtype | None = self._dtype
            if isinstance(module, Embedding):
                dtype = None  # A table is only looked up in: kept as it is stored, it needs no memory.
            elif path in self._wide:
                dtype = torch.promote_types(self._dtype, torch.float32)
            for name, parameter in module.named_parameters(recurse=False):
                tensor = self._dense([f"{s}.{name}" for s in sources], parameter.shape, dtype)
                setattr(module, name, nn.Parameter(tensor, requires_grad=False))
            for name, buffer in module.named_buffers(recurse=False):
                setattr(
                    module, name, self._dense([f"{s}.{name}" for s in sources], buffer.shape, torch.float32)
                )

    def check_left_over(self, unused: Callable[[str], bool]) -> None:
        """Raises CheckpointInvalid for a tensor that the network has no place for."""
        for name in self._files:
            if name not in self._used and not unused(name):
                raise CheckpointInvalid(
                    f"holds the tensor {name}, which this network has no place for",
                    field=str(self._files.file_of(name)),
                    hint="config.json and the weights do not belong together",
                )

    def _sources(self, path: str) -> list[str]:
        """Stored names of the module at `path`: one, or the parts of a linear that is fused here and not in
        the file."""
        parent, _, child = path.rpartition(".")
        base = self._prefix + (f"{parent}." if parent else "")
        whole = base + child
        if child not in self._fused or f"{whole}.weight" in self._files or self._is_packed(whole):
            return [whole]
        return [base + part for part in self._fused[child]]

    def _is_packed(self, module: str) -> bool:
        return f"{module}.weight.packed" in self._files or f"{module}.weight.base3" in self._files

    def _dense(self, names: list[str], shape: torch.Size, dtype: torch.dtype | None) -> Tensor:
        """The tensors concatenated along rows, in `dtype` (None: as stored)."""
        tensor = self._joined(names)
        if tensor.shape != shape or not tensor.is_floating_point():
            raise self._misfit(
                names, f"is {tensor.dtype} {list(tensor.shape)}, expected floating point {list(shape)}"
            )
        return tensor.to(device=self._device, dtype=dtype)

    def _packed_linear(self, linear: nn.Linear, sources: list[str]) -> QuantizedLinear:
        base3 = f"{sources[0]}.weight.base3" in self._files
        names = [f"{source}.weight.{'base3' if base3 else 'packed'}" for source in sources]
        packed = self._joined(names)
        scales = self._joined([f"{source}.weight.scales" for source in sources])
        zeros = [f"{source}.weight.zero_points" for source in sources]
        if self._quantization is None:
            raise self._misfit(names, "is packed, but config.json has no quantization_config")
        formats = {self._quantization.of(source) for source in sources}
        if len(formats) > 1:
            raise self._misfit(names, "run as one linear, but have different formats")
        ((format, group_size, activations),) = formats
        if format == "ternary" and not base3 and _meaningless(packed):
            raise self._misfit(names, "holds the code 10, which stands for nothing")
        try:
            weight = PackedWeight(
                packed=packed.to(self._device),
                scales=scales.to(self._device),
                format=format,
                shape=(linear.out_features, linear.in_features),
                group_size=group_size or linear.in_features,
                zero_points=self._joined(zeros).to(self._device) if zeros[0] in self._files else None,
                base3=base3,
            )
            if self._device.type != "cpu":  # on which the first call does it
                weight = weight.in_slots()
        except ValueError as error:
            raise self._misfit(names, f"does not fit: {error}") from error
        bias = None
        if linear.bias is not None:
            bias = self._dense([f"{source}.bias" for source in sources], linear.bias.shape, self._dtype)
        low_rank = self._low_rank(linear, sources)
        return QuantizedLinear(weight, bias, low_rank, activations)

    def _low_rank(self, linear: nn.Linear, sources: list[str]) -> LowRank | None:
        """What an importer left beside a packed weight (importers/low_rank.py)."""
        names = [f"{sources[0]}.weight.{part}" for part in ("low_rank_down", "low_rank_up")]
        if names[0] not in self._files:
            return None
        if len(sources) > 1:
            raise self._misfit(names, "run as one linear, but have low-rank parts of their own")
        down, up = (self._read(name) for name in names)
        expected = ([len(down), linear.in_features], [linear.out_features, len(down)])
        if [list(down.shape), list(up.shape)] != list(expected):
            raise self._misfit(names, f"are {list(down.shape)} and {list(up.shape)}, expected {expected}")
        return LowRank(*(part.to(device=self._device, dtype=self._dtype) for part in (down, up)))

    def _joined(self, names: list[str]) -> Tensor:
        """The tensors one below the other; a single one is not copied."""
        parts = [self._read(name) for name in names]
        if len(parts) == 1:
            return parts[0]
        try:
            return torch.cat(parts)
        except (RuntimeError, TypeError) as error:
            shapes = ", ".join(f"{part.dtype} {list(part.shape)}" for part in parts)
            raise self._misfit(names, f"do not fit together: {shapes}") from error

    def _read(self, name: str) -> Tensor:
        if name not in self._files:
            raise CheckpointInvalid(
                f"lacks the tensor {name}", field=str(self._files.folder), hint=COPY_AGAIN
            )
        self._used.add(name)
        return self._files.read(name)

    def _misfit(self, names: list[str], what: str) -> CheckpointInvalid:
        return CheckpointInvalid(
            f"tensor {' + '.join(names)} {what}",
            field=str(self._files.file_of(names[0])),
            hint="config.json and the weights do not belong together",
        )


def _meaningless(codes: Tensor) -> bool:
    """Whether a two-bit slot of packed ternary codes is 10: its high bit set and its low bit not."""
    return codes.dtype == torch.uint8 and bool((codes & ~(codes << 1) & 0b10101010).any())
