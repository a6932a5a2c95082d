"""FLUX.2's autoencoder: pictures to latents and back.

Layer names are those of diffusers' `AutoencoderKLFlux2` state dict. Latents here are the autoencoder's own
(`latent_channels` at 1/2^(levels-1) of the picture); `mean` and `std` describe them folded 2x2, as the
transformer sees them. Knows nothing of folding, prompts or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, silu

from imagegen.networks.quantized_conv import QuantizedConv, QuantizedDoubling, norm_silu_then
from imagegen_kernels import attention
from imagegen_kernels.formats import quantize_conv, quantize_doubling


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """The keys of vae/config.json that shape the network. Raises ValueError for what it cannot run."""

    block_out_channels: tuple[int, ...]
    decoder_block_out_channels: tuple[int, ...] | None = None
    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 32
    layers_per_block: int = 2
    norm_num_groups: int = 32
    mid_block_add_attention: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    batch_norm_eps: float = 1e-4
    patch_size: tuple[int, ...] = (2, 2)
    act_fn: str = "silu"

    def __post_init__(self) -> None:
        if (
            self.act_fn != "silu"
            or self.patch_size != (2, 2)
            or (self.in_channels, self.out_channels) != (3, 3)
        ):
            raise ValueError(
                "act_fn other than silu, patch_size other than 2x2 and other than 3 colours are not supported"
            )
        if self.decoder_block_out_channels and len(self.decoder_block_out_channels) != len(
            self.block_out_channels
        ):
            raise ValueError("decoder_block_out_channels must have as many levels as block_out_channels")

    @property
    def scale(self) -> int:
        """Pixels of picture side per latent."""
        return int(2 ** (len(self.block_out_channels) - 1))


class Autoencoder(nn.Module):
    """`parts` says what to build: pictures from words need only the decoder."""

    WIDE: ClassVar[tuple[str, ...]] = ("decoder.conv_norm_out", "decoder.conv_out")
    """Modules that stay in float32 when the rest is narrower: what they give are the pixels, and bfloat16
    knows only every half level near white."""

    def __init__(self, config: AutoencoderConfig, parts: Sequence[str] = ("encoder", "decoder")) -> None:
        super().__init__()
        self.config = config
        channels = config.latent_channels
        if "encoder" in parts:
            self.encoder = Encoder(config)
            if config.use_quant_conv:
                self.quant_conv = nn.Conv2d(2 * channels, 2 * channels, 1)
        if "decoder" in parts:
            self.decoder = Decoder(config)
            if config.use_post_quant_conv:
                self.post_quant_conv = nn.Conv2d(channels, channels, 1)
        self.bn = LatentStatistics(4 * channels, config.batch_norm_eps)

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and weights; the latent statistics are float32, and so are the modules in `WIDE` at
        least."""
        part = self.decoder if hasattr(self, "decoder") else self.encoder
        return part.conv_in.weight.dtype

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in -1..1 -> the mean of their latents [B, latent_channels, H/scale,
        W/scale]."""
        moments = self.encoder(pictures)
        if self.config.use_quant_conv:
            moments = self.quant_conv(moments)
        mean: Tensor = moments.chunk(2, dim=1)[0]
        return mean

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, latent_channels, h, w] -> pictures [B, 3, h*scale, w*scale], about -1..1, in the dtype
        of the last layers."""
        if self.config.use_post_quant_conv:
            latents = self.post_quant_conv(latents)
        pictures: Tensor = self.decoder(latents)
        return pictures


class LatentStatistics(nn.Module):
    """Mean and standard deviation of each of the 4 * latent_channels folded channels; a BatchNorm's running
    statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    @property
    def mean(self) -> Tensor:
        return self.running_mean

    @property
    def std(self) -> Tensor:
        return torch.sqrt(self.running_var + self.eps)


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            DownBlock(
                widths[max(level - 1, 0)],
                width,
                config.layers_per_block,
                groups,
                last=level == len(widths) - 1,
            )
            for level, width in enumerate(widths)
        )
        self.mid_block = MidBlock(widths[-1], groups, config.mid_block_add_attention)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        out: Tensor = self.conv_out(silu(self.conv_norm_out(self.mid_block(x))))
        return out


class Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = (config.decoder_block_out_channels or config.block_out_channels)[::-1]
        groups = config.norm_num_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], groups, config.mid_block_add_attention)
        self.up_blocks = nn.ModuleList(
            UpBlock(
                widths[max(level - 1, 0)],
                width,
                config.layers_per_block + 1,
                groups,
                last=level == len(widths) - 1,
            )
            for level, width in enumerate(widths)
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def fold(self) -> None:
        """Do the same, to rounding, in fewer or fuller products; the names of the state dict stay, some
        shapes do not. See `Upsample.fold`, and for the last convolution `_fold_pixels`."""
        for module in self.modules():
            if isinstance(module, Upsample):
                module.fold()
        last = self.conv_out
        if len(self.up_blocks) > 1 and last.stride == (1, 1):
            with torch.device("meta"):
                self.conv_out = nn.Conv2d(last.in_channels, 4 * last.out_channels, 4, stride=2, padding=1)
            self.conv_out.weight = nn.Parameter(_fold_pixels(last.weight), requires_grad=False)
            if last.bias is not None:
                self.conv_out.bias = nn.Parameter(last.bias.detach().repeat(4), requires_grad=False)

    def quantize(self, narrow: torch.dtype) -> None:
        """Run the convolutions of residual branches and of folded upsamplings in int8 from now on, and those
        of shortcuts in `narrow`, in which upsamplings give their maps too; the rest, and what is carried from
        layer to layer, in float32.

        Call it on a float32 decoder: the codes are made of its weights. How near the pictures stay, and how
        much time it saves: docs/decisions/021-int8-decoder.md and 032-calls-and-doublings.md.
        """
        for module in self.modules():
            if isinstance(module, ResnetBlock | Upsample):
                module.quantize(narrow)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.pixels(self.conv_norm_out(x.to(self.conv_out.weight.dtype)))

    def pixels(self, x: Tensor) -> Tensor:
        """What the last norm gives -> pictures; x may be overwritten."""
        out: Tensor = self.conv_out(silu(x, inplace=True))
        return out if self.conv_out.stride == (1, 1) else _unfold_pixels(out)


class DownBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, layers: int, groups: int, *, last: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs if layer == 0 else outputs, outputs, groups) for layer in range(layers)
        )
        self.downsamplers = nn.ModuleList() if last else nn.ModuleList([Downsample(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        for downsampler in self.downsamplers:
            x = downsampler(x)
        return x


class UpBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, layers: int, groups: int, *, last: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs if layer == 0 else outputs, outputs, groups) for layer in range(layers)
        )
        self.upsamplers = nn.ModuleList() if last else nn.ModuleList([Upsample(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        for upsampler in self.upsamplers:
            x = upsampler(x)
        return x


class MidBlock(nn.Module):
    def __init__(self, width: int, groups: int, add_attention: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(width, width, groups) for _ in range(2))
        self.attentions = nn.ModuleList([PixelAttention(width, groups)] if add_attention else [])

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnets[0](x)
        for attend in self.attentions:
            x = attend(x)
        out: Tensor = self.resnets[1](x)
        return out


class ResnetBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=1e-6)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=1e-6)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs:
            self.conv_shortcut = nn.Conv2d(inputs, outputs, 1)
        self.same_width = inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(self.norm1.weight.dtype)
        branch = norm_silu_then(self.norm1, self.conv1, wide)
        branch = norm_silu_then(self.norm2, self.conv2, branch)
        branch += wide if self.same_width else self.shortcut(x)
        return branch

    def shortcut(self, x: Tensor) -> Tensor:
        """What the branch is added to."""
        if self.same_width:
            return x
        out: Tensor = self.conv_shortcut(x.to(self.conv_shortcut.weight.dtype))
        return out

    def quantize(self, narrow: torch.dtype) -> None:
        """See `Decoder.quantize`."""
        for name in ("conv1", "conv2"):
            whole = getattr(self, name)
            setattr(self, name, QuantizedConv(quantize_conv(whole.weight, whole.bias)))
        if not self.same_width:
            self.conv_shortcut.to(narrow)


class PixelAttention(nn.Module):
    """One head over all positions of the smallest level."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (linear(tokens).unsqueeze(1) for linear in (self.to_q, self.to_k, self.to_v))
        out = self.to_out[0](attention(q, k, v).squeeze(1))
        attended: Tensor = out.transpose(1, 2).reshape(x.shape)
        return x + attended


class Downsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(pad(x, (0, 1, 0, 1)))
        return out


class Upsample(nn.Module):
    """Every position becomes 2x2 equal ones, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv: nn.Conv2d | nn.ConvTranspose2d | QuantizedDoubling = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.conv, QuantizedDoubling):
            quick: Tensor = self.conv(x.float())
            return quick
        x = x.to(self.conv.weight.dtype)
        doubled = x if self.is_folded else interpolate(x, scale_factor=2.0, mode="nearest")
        out: Tensor = self.conv(doubled)
        return out

    @property
    def is_folded(self) -> bool:
        return isinstance(self.conv, nn.ConvTranspose2d)

    def fold(self) -> None:
        """Do both in one transposed convolution from now on; the result is the same, to rounding.

        Of the nine taps on doubled pixels the equal ones are added up beforehand, so an output takes four
        products instead of nine. Measured with channels_last on one Zen 5 core, ms in bfloat16 (float32): 64
        channels to 128x128 2.77 -> 1.29 (5.53 -> 2.54), 32 channels to 256x256 3.77 -> 1.88 (6.07 -> 3.19).
        """
        if not isinstance(self.conv, nn.Conv2d):
            return
        weight, bias = self.conv.weight, self.conv.bias
        with torch.device("meta"):
            folded = nn.ConvTranspose2d(weight.shape[1], weight.shape[0], 4, stride=2, padding=1)
        folded.weight = nn.Parameter(_fold_doubling(weight), requires_grad=False)
        folded.bias = bias
        self.conv = folded

    def quantize(self, narrow: torch.dtype) -> None:
        """See `Decoder.quantize`."""
        if isinstance(self.conv, nn.ConvTranspose2d):
            self.conv = QuantizedDoubling(quantize_doubling(self.conv.weight, self.conv.bias), narrow)
        else:
            self.conv.to(narrow)


def _fold_doubling(weight: Tensor) -> Tensor:
    """Kernels [O, I, 3, 3] behind a doubling by nearest neighbour -> those of the transposed convolution,
    stride 2, padding 1, [I, O, 4, 4]; summed in float32 (float64 for float64)."""
    wide = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    top, middle, bottom = wide.unbind(2)
    rows = torch.stack([bottom, middle + bottom, top + middle, top], dim=2)
    left, centre, right = rows.unbind(3)
    both = torch.stack([right, centre + right, left + centre, left], dim=3)
    return both.transpose(0, 1).to(weight.dtype).contiguous()


def _fold_pixels(weight: Tensor) -> Tensor:
    """Kernels [O, I, 3, 3] -> those that make 2x2 neighbouring pixels in one, [4 * O, I, 4, 4] with stride 2
    and padding 1; its channels are those of the upper left, upper right, lower left and lower right pixel.

    Three colours leave most of a vector register empty, twelve fill it: 3.1 -> 1.6 ms for 16 channels of
    256x256 on one Zen 4 core.
    """
    folded = weight.new_zeros(2, 2, *weight.shape[:2], 4, 4)
    for row in range(2):
        for column in range(2):
            folded[row, column, :, :, row : row + 3, column : column + 3] = weight.detach()
    return folded.flatten(0, 2)


def _unfold_pixels(folded: Tensor) -> Tensor:
    """[B, 4 * O, h, w] of `_fold_pixels` -> [B, O, 2h, 2w], channels last."""
    batch, _, height, width = folded.shape
    pixels = folded.permute(0, 2, 3, 1).reshape(batch, height, width, 2, 2, -1).transpose(2, 3)
    return pixels.reshape(batch, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)
