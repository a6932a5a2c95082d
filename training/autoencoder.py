"""Phase 2: the starter's own autoencoder learns to speak FLUX.2's latents at half resolution.

The decoder learns taef2's latents of the 128x128 picture -> the 256x256 picture, the encoder the way back.
The decoder is supervised at every level, first the small ones alone: they cost little and carry the colours.
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLFlux2
from torch import nn
from torch.nn import functional

from training.config import AutoencoderPhase
from training.optimize import optimize
from training.prepare import read_shards
from training.products import Product, read_products, square_on_white

SCALE = 16  # pixels a latent, on each side
REFIT_BATCHES, REFIT_PIXELS = 12, 6000


class LatentPictures:
    """Sharp photos beside their latents; pictures are decoded when drawn."""

    def __init__(self, parquet: Path, cache: Path, side: int) -> None:
        products = {product.identifier: product for product in read_products(parquet)}
        self.side = side
        self.pairs: list[tuple[Product, np.ndarray]] = []
        for shard in read_shards(cache):
            for latents, record in zip(shard.latents, shard.records, strict=True):
                if record["id"] in products and record["split"] == "train":
                    self.pairs.append((products[record["id"]], latents))

    def batch(self, size: int, crop: int, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [size, 32, crop, crop] and pictures [size, 3, 16 crop, 16 crop] in -1..1."""
        latents, pictures = [], []
        for product, latent in rng.choices(self.pairs, k=size):
            picture = square_on_white(product.encoded, self.side)
            if picture is None:
                raise ValueError(f"{product.identifier} has latents but no picture")
            top, left = (rng.randint(0, latent.shape[-1] - crop) for _ in "yx")
            latents.append(torch.from_numpy(latent[:, top : top + crop, left : left + crop]).float())
            window = picture[SCALE * top : SCALE * (top + crop), SCALE * left : SCALE * (left + crop)]
            pictures.append(torch.from_numpy(window).permute(2, 0, 1).float() / 127.5 - 1)
        return torch.stack(latents), torch.stack(pictures)


class DecoderTrainer(nn.Module):
    """The decoder with a to-RGB head on every level but the last; the heads are thrown away.

    Without them colour did not appear in 8,800 crops: the grey picture is a long plateau.
    """

    def __init__(self, autoencoder: AutoencoderKLFlux2) -> None:
        super().__init__()
        self.decoder, self.post_quant_conv = autoencoder.decoder, autoencoder.post_quant_conv
        widths = autoencoder.config["decoder_block_out_channels"][::-1]
        heads = [nn.Conv2d(width, 3, 1) for width in widths[:-1]]
        for head in heads:  # random heads shout: their gradients would take the whole clipping norm
            nn.init.zeros_(head.weight)
        self.heads = nn.ModuleList(heads)

    def forward(self, latents: torch.Tensor, levels: int) -> list[torch.Tensor]:
        """Latents [B, 32, h, w] -> pictures [B, 3, ...] of the first `levels` levels, and the last if all."""
        hidden = self.decoder.mid_block(self.decoder.conv_in(self.post_quant_conv(latents)))
        pictures = []
        for level, block in enumerate(self.decoder.up_blocks[:levels]):
            hidden = block(hidden)
            if level < len(self.heads):
                pictures.append(self.heads[level](hidden))
        if levels == len(self.decoder.up_blocks):
            hidden = self.decoder.conv_act(self.decoder.conv_norm_out(hidden))
            pictures.append(self.decoder.conv_out(hidden))
        return pictures


def train_decoder(
    model: DecoderTrainer, data: LatentPictures, phase: AutoencoderPhase, state_path: Path
) -> None:
    """Decoder and post_quant_conv, up to `phase.levels`; they end holding the average."""

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        latents, pictures = data.batch(phase.batch, phase.crop, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            decoded = model(latents, phase.levels)
        return sum((picture_loss(level.float(), pictures) for level in decoded), start=pictures.new_zeros(()))

    optimize(
        model,
        loss_of_batch,
        seconds=phase.seconds,
        batch=phase.batch,
        learning_rate=phase.learning_rate,
        ema_halflife=1000,
        state_path=state_path,
    )


@torch.no_grad()
def refit_output(autoencoder: AutoencoderKLFlux2, data: LatentPictures, seed: int) -> dict[str, torch.Tensor]:
    """Solve the decoder's last convolution by least squares on what reaches it; returns its two tensors.

    A decoder stopped early is pale, as grey is the safe L1 guess: mean chroma 0.026 where photos have 0.043.
    The refit brings it to 0.047 and lowers the squared error by 6 %.
    """
    decoder, last = autoencoder.decoder, autoencoder.decoder.conv_out
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    inputs = last.weight[0].numel()
    gram = torch.zeros(inputs + 1, inputs + 1, dtype=torch.float64)
    moment = torch.zeros(inputs + 1, 3, dtype=torch.float64)
    for _ in range(REFIT_BATCHES):
        latents, pictures = data.batch(4, data.side // SCALE, rng)
        hidden = decoder.mid_block(decoder.conv_in(autoencoder.post_quant_conv(latents)))
        for block in decoder.up_blocks:
            hidden = block(hidden)
        hidden = decoder.conv_act(decoder.conv_norm_out(hidden))
        chosen = torch.randperm(pictures[0, 0].numel(), generator=generator)[:REFIT_PIXELS]
        windows = functional.unfold(hidden, 3, padding=1)[:, :, chosen].transpose(1, 2).flatten(0, 1)
        rows = functional.pad(windows, (0, 1), value=1.0).double()
        gram += rows.T @ rows
        moment += rows.T @ pictures.flatten(2)[:, :, chosen].transpose(1, 2).flatten(0, 1).double()
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(inputs + 1, dtype=torch.float64)
    solved = torch.linalg.solve(gram + ridge, moment).float()
    return {
        "decoder.conv_out.weight": solved[:-1].T.reshape(last.weight.shape).contiguous(),
        "decoder.conv_out.bias": solved[-1].clone(),
    }


def train_encoder(
    autoencoder: AutoencoderKLFlux2, data: LatentPictures, phase: AutoencoderPhase, state_path: Path
) -> None:
    """Encoder and quant_conv, regressing the mean on taef2's latents; the variance head is held small."""
    model = nn.ModuleDict({"encoder": autoencoder.encoder, "quant_conv": autoencoder.quant_conv})

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        latents, pictures = data.batch(phase.batch, phase.crop, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            moments = model["quant_conv"](model["encoder"](pictures))
        mean, log_variance = moments.float().chunk(2, dim=1)
        return functional.l1_loss(mean, latents) + 0.01 * functional.mse_loss(
            log_variance, torch.full_like(log_variance, -8.0)
        )

    optimize(
        model,
        loss_of_batch,
        seconds=phase.seconds,
        batch=phase.batch,
        learning_rate=phase.learning_rate,
        ema_halflife=1000,
        state_path=state_path,
    )


def picture_loss(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """L1 of a picture and of its edges, with colour differences again; the target is shrunk to fit."""
    factor = pictures.shape[-1] // decoded.shape[-1]
    difference = decoded - (functional.avg_pool2d(pictures, factor) if factor > 1 else pictures)
    coarse = functional.interpolate(functional.avg_pool2d(difference, 2), scale_factor=2, mode="nearest")
    chroma = difference[:, [0, 2]] - difference[:, [1]]
    return difference.abs().mean() + (difference - coarse).abs().mean() + 2 * chroma.abs().mean()
