"""The starter's own autoencoder learns to speak FLUX.2's latents at half resolution.

The decoder learns taef2's latents of the 128x128 picture -> the 256x256 picture, the encoder the way back.
taef2's own decoder teaches it level by level: throw-away 1x1 heads of our levels predict its features at the
same resolution. The small levels cost little and carry colours and shapes, so they are taught first.
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLFlux2
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from training.config import AutoencoderPhase
from training.group_norm import make_lean
from training.optimize import optimize
from training.prepare import read_shards
from training.products import read_products, square_on_white
from training.taef2 import WIDTH, decoder_features

NOISE = 0.15  # of a latent's deviation, at most: what a transformer paints is not quite what an encoder says
AVERAGE_HALFLIFE = 1000  # samples
# Most products are grey, and grey is the safe L1 guess: with a weight of 1, no squares and an even draw
# colours had 55 % of their strength after 4,200 photos.
CHROMA_WEIGHT = 3.0
GREY_SHARE = 0.5  # likelihood of a grey photo, where the average photo has 1 + this


class LatentPictures:
    """Training latents, the sharp photos of some of them beside them; photos are decoded once, to `pictures`.

    latents: float16 [N, 32, h, w] of every product; photos, uint8 [M, side, side, 3], belong to the first M.
    """

    def __init__(self, parquet: Path, cache: Path, pictures: Path, side: int) -> None:
        products = {product.identifier: product for product in read_products(parquet)}
        sharp: list[tuple[str, NDArray[np.float16]]] = []
        small: list[NDArray[np.float16]] = []
        for shard in read_shards(cache):
            for latents, record in zip(shard.latents, shard.records, strict=True):
                if record["split"] != "train":
                    continue
                if record["id"] in products:
                    sharp.append((record["id"], latents))
                else:
                    small.append(latents)
        self.latents = np.stack([latents for _, latents in sharp] + small)
        self.deviation = float(self.latents[::16].astype(np.float32).std())
        if not pictures.exists():
            draft = pictures.with_suffix(".partial")
            shape = (len(sharp), side, side, 3)
            written = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
            for row, (identifier, _) in enumerate(sharp):
                picture = square_on_white(products[identifier].encoded, side)
                if picture is None:
                    raise ValueError(f"{identifier} has latents but no picture")
                written[row] = picture
            written.flush()
            draft.replace(pictures)
        self.photos = np.load(pictures, mmap_mode="r")
        if self.photos.shape != (len(sharp), side, side, 3):
            raise ValueError(
                f"{pictures} holds {self.photos.shape[0]} photos, the latents {len(sharp)}: delete it"
            )
        colour = np.array([colourfulness(photo) for photo in self.photos])
        self.likelihoods: list[float] = np.cumsum(colour / (colour.mean() + 1e-6) + GREY_SHARE).tolist()

    def draw_latents(self, size: int, rng: random.Random) -> torch.Tensor:
        """float32 [size, 32, h, w], of any product."""
        rows = [rng.randrange(len(self.latents)) for _ in range(size)]
        return torch.from_numpy(self.latents[rows]).float()

    def draw(self, size: int, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [size, 32, h, w] and photos [size, 3, side, side] in -1..1, float32; colour is likelier."""
        rows = rng.choices(range(len(self.photos)), cum_weights=self.likelihoods, k=size)
        photos = torch.from_numpy(np.stack([self.photos[row] for row in rows]))
        return torch.from_numpy(self.latents[rows]).float(), photos.permute(0, 3, 1, 2).float() / 127.5 - 1


def colourfulness(photo: NDArray[np.uint8]) -> float:
    """Mean difference of red and blue from green in a photo [H, W, 3], 0..255."""
    pixels = photo[::8, ::8].astype(np.float32)
    return float(np.abs(pixels[..., ::2] - pixels[..., 1:2]).mean())


class DecoderTrainer(nn.Module):
    """The decoder with heads on the levels that have a teacher; the heads are thrown away.

    Without supervision of the small levels colour did not appear in 8,800 pictures: grey is a long plateau.
    """

    def __init__(self, autoencoder: AutoencoderKLFlux2) -> None:
        super().__init__()
        self.decoder, self.post_quant_conv = autoencoder.decoder, autoencoder.post_quant_conv
        widths = autoencoder.config["decoder_block_out_channels"][::-1]
        # The last level has no upsampling, and the last but one leads to a resolution taef2 does not have.
        heads = [nn.Conv2d(width, WIDTH, 1) for width in widths[:-2]]
        for head in heads:  # random heads shout: their gradients would take the whole clipping norm
            nn.init.zeros_(head.weight)
        self.heads = nn.ModuleList(heads)
        start_smooth(self.decoder)

    def hints(self, latents: torch.Tensor, levels: int) -> list[torch.Tensor]:
        """Latents [B, 32, h, w] -> what the heads of the first `levels` say: [B, 64, 2h, 2w] and so on."""
        hidden, said = self._smallest(latents), []
        for block, head in zip(self.decoder.up_blocks[:levels], self.heads[:levels], strict=True):
            hidden = block(hidden)
            said.append(head(hidden))
        return said

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [B, 32, h, w] -> pictures [B, 3, H, W]."""
        hidden = self._smallest(latents)
        for block in self.decoder.up_blocks:
            hidden = block(hidden)
        picture: torch.Tensor = self.decoder.conv_out(
            self.decoder.conv_act(self.decoder.conv_norm_out(hidden))
        )
        return picture

    def _smallest(self, latents: torch.Tensor) -> torch.Tensor:
        latents = latents.contiguous(memory_format=torch.channels_last)
        hidden: torch.Tensor = self.decoder.mid_block(self.decoder.conv_in(self.post_quant_conv(latents)))
        return hidden


def start_smooth(decoder: nn.Module) -> None:
    """Let every residual branch start at zero and every upsampling as a bilinear one.

    Nearest neighbours and a [1, 2, 1] / 4 stencil are bilinear interpolation; from random stencils a grid is
    the first thing learnt and the last forgotten.
    """
    stencil = torch.tensor([0.25, 0.5, 0.25])
    for name, module in decoder.named_modules():
        if name.endswith("conv2"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        elif name.endswith("upsamplers.0.conv"):
            nn.init.zeros_(module.bias)
            with torch.no_grad():
                module.weight.mul_(0.1)
                module.weight.diagonal(dim1=0, dim2=1).add_((stencil[:, None] * stencil)[..., None])


def train_decoder(
    model: DecoderTrainer, teacher: nn.Module, data: LatentPictures, phase: AutoencoderPhase, state_path: Path
) -> None:
    """Decoder and post_quant_conv, up to `phase.levels`; they end holding the average.

    Few levels learn from taef2, of any latents; all of them learn from the photos.
    """
    make_lean(model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def noisy(latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        amount = NOISE * data.deviation * torch.rand(len(latents), 1, 1, 1, generator=generator)
        return latents + amount * torch.randn(latents.shape, generator=generator)

    def loss_by_features(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        latents = data.draw_latents(phase.batch, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                features = decoder_features(teacher, latents, phase.levels)
            said = model.hints(noisy(latents, generator), phase.levels)
        return sum((hint_loss(*pair) for pair in zip(said, features, strict=True)), latents.new_zeros(()))

    def loss_by_photos(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        latents, photos = data.draw(phase.batch, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            decoded = model(noisy(latents, generator))
        return picture_loss(decoded.float(), photos)

    optimize(
        model,
        loss_by_photos if phase.levels == len(model.decoder.up_blocks) else loss_by_features,
        seconds=phase.seconds,
        batch=phase.batch,
        learning_rate=phase.learning_rate,
        ema_halflife=AVERAGE_HALFLIFE,
        state_path=state_path,
        muon=True,
    )


def hint_loss(said: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Squared error of [B, C, h, w] features, in units of each channel's variance: 1 is bad."""
    features = features.float()
    variance = features[..., ::4, ::4].var(dim=(0, 2, 3)) + 1e-4
    return ((said.float() - features).square().mean(dim=(0, 2, 3)) / variance).mean()


def picture_loss(decoded: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
    """L1 of [B, 3, H, W] pictures in -1..1, whole and halved twice, of their edges and colour differences."""
    difference = decoded - photos
    right, down = difference.diff(dim=3), difference.diff(dim=2)
    halved = functional.avg_pool2d(difference, 2)
    quartered = functional.avg_pool2d(halved, 2)
    chroma = halved[:, [0, 2]] - halved[:, [1]]
    parts = (difference, halved, quartered, right, down)
    colours = CHROMA_WEIGHT * (chroma.abs().mean() + 5 * chroma.square().mean())
    return sum((part.abs().mean() for part in parts), colours)


def train_encoder(
    autoencoder: AutoencoderKLFlux2, data: LatentPictures, phase: AutoencoderPhase, state_path: Path
) -> None:
    """Encoder and quant_conv, regressing the mean on taef2's latents; the variance head is held small."""
    model = nn.ModuleDict({"encoder": autoencoder.encoder, "quant_conv": autoencoder.quant_conv})
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    make_lean(model)

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        latents, photos = data.draw(phase.batch, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            moments = model["quant_conv"](
                model["encoder"](photos.contiguous(memory_format=torch.channels_last))
            )
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
        ema_halflife=AVERAGE_HALFLIFE,
        state_path=state_path,
        muon=True,
    )
