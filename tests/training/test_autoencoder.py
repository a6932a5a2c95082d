"""A tiny decoder and encoder learn from photos and from a teacher, and start without a grid."""

import io
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from diffusers import AutoencoderKLFlux2
from PIL import Image

from training import optimize as optimize_module
from training.autoencoder import (
    GREY_SHARE,
    DecoderTrainer,
    LatentPictures,
    colourfulness,
    hint_loss,
    picture_loss,
    train_decoder,
    train_encoder,
)
from training.config import AutoencoderPhase
from training.products import ATTRIBUTES, is_held_out
from training.state import load_state
from training.taef2 import _decoder

SIDE = 64  # pixels, of the photos; latents are 4x4


def tiny_autoencoder() -> AutoencoderKLFlux2:
    return AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        block_out_channels=(8, 8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=32,
        sample_size=SIDE,
    )


def photo(number: int) -> bytes:
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[8:32, 8:32] = (10 * number, 80, 200)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A parquet of eight photos, and latents of these and of four products without a sharp photo."""
    columns = {name: [""] * 8 for name in ATTRIBUTES}
    rows = {**columns, "title": [f"Model {number}" for number in range(8)]}
    table = pa.table(
        {"id": [f"p{number}" for number in range(8)], "image": [photo(n) for n in range(8)], **rows}
    )
    pq.write_table(table, tmp_path / "products.parquet")
    held_out = [is_held_out({"title": title, "colour": ""}) for title in rows["title"]]
    records = [
        {"id": f"p{number}", "split": "held-out" if number < 8 and held_out[number] else "train"}
        for number in range(12)
    ]
    latents = np.random.default_rng(0).normal(size=(12, 32, 4, 4)).astype(np.float16)
    (tmp_path / "latents").mkdir()
    np.savez(tmp_path / "latents" / "a-000.npz", latents=latents, records=np.array(json.dumps(records)))
    return tmp_path


def pictures_in(folder: Path) -> LatentPictures:
    return LatentPictures(folder / "products.parquet", folder / "latents", folder / "pictures.npy", SIDE)


def phase(levels: int) -> AutoencoderPhase:
    return AutoencoderPhase(seconds=6, batch=2, levels=levels, learning_rate=0.01)


@pytest.fixture
def one_second_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            self.now += 0.5
            return self.now

    monkeypatch.setattr(optimize_module, "time", Clock())


def test_photos_lie_beside_their_latents_and_are_decoded_once(folder: Path) -> None:
    data = pictures_in(folder)
    assert data.photos.shape[1:] == (SIDE, SIDE, 3)
    assert len(data.latents) == len(data.photos) + 4
    latents, photos = data.draw(3, random.Random(0))
    assert latents.shape == (3, 32, 4, 4)
    assert photos.shape == (3, 3, SIDE, SIDE)
    assert photos.max() == 1
    assert photos.min() >= -1
    assert data.draw_latents(5, random.Random(0)).shape == (5, 32, 4, 4)
    written = (folder / "pictures.npy").stat().st_mtime_ns
    assert np.array_equal(pictures_in(folder).photos, data.photos)
    assert (folder / "pictures.npy").stat().st_mtime_ns == written


def test_colourful_photos_are_likelier(folder: Path) -> None:
    data = pictures_in(folder)
    chances = np.diff([0.0, *data.likelihoods])
    colours = [colourfulness(shot) for shot in data.photos]
    assert np.argmax(chances) == np.argmax(colours)
    assert chances.min() > GREY_SHARE
    assert colourfulness(np.full((SIDE, SIDE, 3), 90, np.uint8)) == 0


def test_photos_of_other_latents_are_refused(folder: Path) -> None:
    np.save(folder / "pictures.npy", np.zeros((1, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(ValueError, match="delete it"):
        pictures_in(folder)


def test_a_decoder_starts_as_a_smooth_interpolation() -> None:
    torch.manual_seed(0)
    block = DecoderTrainer(tiny_autoencoder()).decoder.up_blocks[0]
    with torch.no_grad():
        block.upsamplers[0].conv.weight.copy_(block.upsamplers[0].conv.weight.diagonal().diag_embed(0, 0, 1))
        ramp = torch.arange(8.0).expand(1, 16, 8, 8)
        steps = block(ramp)[..., 2:-2, 4:-4].diff(dim=3)
    torch.testing.assert_close(steps, torch.full_like(steps, 0.5), atol=0.1, rtol=0)


@pytest.mark.usefixtures("one_second_a_step")
def test_few_levels_then_all_of_them_learn(folder: Path) -> None:
    torch.manual_seed(0)
    data, teacher = pictures_in(folder), _decoder().requires_grad_(False)
    trainer = DecoderTrainer(tiny_autoencoder())
    last = trainer.decoder.conv_out.weight.detach().clone()
    train_decoder(trainer, teacher, data, phase(levels=2), folder / "coarse.pt")
    assert torch.equal(trainer.decoder.conv_out.weight, last)
    assert all(parameter.abs().max() > 0 for parameter in trainer.heads[1].parameters())
    train_decoder(trainer, teacher, data, phase(levels=5), folder / "decoder.pt")
    assert not torch.equal(trainer.decoder.conv_out.weight, last)
    state = load_state(folder / "decoder.pt")
    assert state is not None
    missing, _ = tiny_autoencoder().load_state_dict(state["average"], strict=False)
    assert not [name for name in missing if name.startswith(("decoder.", "post_quant_conv."))]


@pytest.mark.usefixtures("one_second_a_step")
def test_an_encoder_learns(folder: Path) -> None:
    torch.manual_seed(0)
    data, autoencoder = pictures_in(folder), tiny_autoencoder()
    before = autoencoder.encoder.conv_in.weight.detach().clone()
    train_encoder(autoencoder, data, phase(levels=5), folder / "encoder.pt")
    assert not torch.equal(autoencoder.encoder.conv_in.weight, before)


def test_losses_are_nothing_for_the_truth_and_grow_with_a_grid_and_a_cast() -> None:
    photos = torch.rand(2, 3, 16, 16) * 2 - 1
    assert picture_loss(photos, photos) == 0
    grey = photos + 0.1
    grid = photos + 0.1 * (torch.arange(16) % 2 * 2 - 1)
    red = photos + 0.1 * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1) * 3
    assert picture_loss(grid, photos) > 0.2
    assert picture_loss(red, photos) > picture_loss(grey, photos)
    features = torch.randn(2, 8, 32, 32) * 5
    assert hint_loss(features, features) == 0
    assert 0.8 < hint_loss(torch.zeros_like(features), features) < 1.2
