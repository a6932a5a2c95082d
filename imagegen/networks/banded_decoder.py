"""The autoencoder's decoder in horizontal bands: the same picture, in half the memory or less.

Decoders that are run tile by tile shift colours from tile to tile, because GroupNorm takes its mean and
variance over whatever it is given. Here a layer goes over all bands before the next layer begins, and its
statistics are those of the whole picture; a convolution sees the rows of the neighbouring bands that it
reaches. So there is no seam to blend: what comes out is what `Autoencoder.decode` gives, to rounding.

What is saved are the copies that a layer makes of its input: of the largest level one map and one branch
stay, everything else is a band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from imagegen.networks.autoencoder import Autoencoder, ResnetBlock, UpBlock, Upsample
from imagegen.networks.quantized_conv import silu_then

BAND_BYTES = 16 << 20
"""About how much of a map is worked on at a time."""

FEWEST_ROWS = 16
"""Of a band: two rows more are computed for each."""


def decode_in_bands(autoencoder: Autoencoder, latents: Tensor, band_bytes: int = BAND_BYTES) -> Tensor:
    """As `autoencoder.decode` for one picture: latents [1, latent_channels, h, w] -> [1, 3, h*scale,
    w*scale].

    A picture whose largest map takes at most `band_bytes` is decoded as a whole.
    """
    if _largest_map(autoencoder, latents) <= band_bytes:
        return autoencoder.decode(latents)
    if autoencoder.config.use_post_quant_conv:
        latents = autoencoder.post_quant_conv(latents)
    decoder = autoencoder.decoder
    bands = _Bands([decoder.mid_block(decoder.conv_in(latents))])
    for block in cast("Iterable[UpBlock]", decoder.up_blocks):
        _up(block, bands, band_bytes)
    # Two rows, not one: a folded decoder makes 2x2 pixels at once, and bands begin in even rows.
    return torch.cat(list(_convolved(bands, decoder.conv_norm_out, decoder.pixels, reach=2)), dim=2)


def _largest_map(autoencoder: Autoencoder, latents: Tensor) -> int:
    """Bytes of what the last level is given."""
    config = autoencoder.config
    widths = config.decoder_block_out_channels or config.block_out_channels
    pixels = latents.shape[2] * latents.shape[3] * config.scale**2
    return pixels * widths[min(1, len(widths) - 1)] * latents.element_size()


class _Bands:
    """A map [1, C, H, W] as a list of runs of rows."""

    def __init__(self, parts: list[Tensor]) -> None:
        self.parts = parts

    @property
    def height(self) -> int:
        return sum(part.shape[2] for part in self.parts)

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows start..stop, cut at the picture's edges."""
        found, top = [], 0
        for part in self.parts:
            low, high = max(start - top, 0), min(stop - top, part.shape[2])
            if low < high:
                found.append(part[:, :, low:high])
            top += part.shape[2]
        return found[0] if len(found) == 1 else torch.cat(found, dim=2)

    def cuts(self) -> Iterator[tuple[int, int]]:
        top = 0
        for part in self.parts:
            yield top, top + part.shape[2]
            top += part.shape[2]


def _up(block: UpBlock, bands: _Bands, band_bytes: int) -> None:
    for resnet in cast("Iterable[ResnetBlock]", block.resnets):
        _resnet(resnet, bands)
    for upsampler in cast("Iterable[Upsample]", block.upsamplers):
        bands.parts = list(_upsampled(upsampler, bands, band_bytes))


def _resnet(resnet: ResnetBlock, bands: _Bands) -> None:
    """In place: a band is replaced when nothing needs it any more."""
    branch = _Bands(list(_convolved(bands, resnet.norm1, partial(silu_then, resnet.conv1))))
    for number, change in enumerate(_convolved(branch, resnet.norm2, partial(silu_then, resnet.conv2))):
        bands.parts[number] = change.add_(resnet.shortcut(bands.parts[number]))


def _convolved(
    bands: _Bands, norm: nn.GroupNorm, then: Callable[[Tensor], Tensor], reach: int = 1
) -> Iterator[Tensor]:
    """then(norm(x)), band by band, with x as wide as the norm; `then` sees at most `reach` rows far."""
    normalise = _norm_of_all(norm, bands)
    for start, stop in bands.cuts():
        top, bottom = max(start - reach, 0), min(stop + reach, bands.height)
        y = then(normalise(bands.rows(top, bottom).to(norm.weight.dtype)))
        yield y[:, :, start - top : y.shape[2] - (bottom - stop)]


def _upsampled(upsample: Upsample, bands: _Bands, band_bytes: int) -> Iterator[Tensor]:
    """Bands of twice the width, and of as many rows as fit."""
    sample = bands.parts[0]
    row_bytes = 2 * sample.shape[1] * sample.shape[3] * sample.element_size()  # of a row twice as wide
    step = max(band_bytes // (2 * row_bytes), FEWEST_ROWS // 2)
    height = bands.height
    for start in range(0, height, step):
        stop = min(start + step, height)
        top, bottom = max(start - 1, 0), min(stop + 1, height)
        y = upsample(bands.rows(top, bottom))
        yield y[:, :, 2 * (start - top) : y.shape[2] - 2 * (bottom - stop)]


def _norm_of_all(norm: nn.GroupNorm, bands: _Bands) -> Callable[[Tensor], Tensor]:
    """`norm` with the statistics of all bands, for a part of the map."""
    if len(bands.parts) == 1:
        return norm
    each = norm.num_channels // norm.num_groups
    counts, means, squares = [], [], []
    for part in bands.parts:
        mean, variance = _statistics(norm, part)
        counts.append(part.shape[2])
        means.append(mean)
        squares.append(variance + mean.square())
    share = torch.tensor(counts, dtype=torch.float64, device=means[0].device).unsqueeze(1) / sum(counts)
    mean = (torch.stack(means) * share).sum(dim=0)
    variance = (torch.stack(squares) * share).sum(dim=0) - mean.square()
    mean, variance = (values.float().repeat_interleave(each) for values in (mean, variance))
    weight, bias = norm.weight.float(), norm.bias.float()
    return lambda x: batch_norm(x, mean, variance, weight, bias, False, 0.0, norm.eps)


def _statistics(norm: nn.GroupNorm, part: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each group, float64 [groups].

    GroupNorm's own kernel counts them, and its result is thrown away: 1 ms for 4 M values, one core, where
    `torch.var_mean` takes 28.
    """
    _, channels, height, width = part.shape
    _, mean, rstd = torch.native_group_norm(
        part.contiguous(memory_format=torch.channels_last),
        None,
        None,
        1,
        channels,
        height * width,
        norm.num_groups,
        norm.eps,
    )
    return mean[0].double(), rstd[0].double().pow(-2) - norm.eps
