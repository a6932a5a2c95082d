"""The features of taef2's decoder are those on its way to the picture."""

from pathlib import Path

import torch

from training.taef2 import LATENT_CHANNELS, WIDTH, _decoder, decoder_features, load_decoder


def test_features_end_in_the_picture(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(_decoder().state_dict(), tmp_path / "decoder.pth")
    decoder = load_decoder(tmp_path / "decoder.pth")
    latents = torch.randn(2, LATENT_CHANNELS, 4, 4)
    features = decoder_features(decoder, latents, 3)
    assert [tuple(feature.shape) for feature in features] == [(2, WIDTH, side, side) for side in (8, 16, 32)]
    block, last = list(decoder.children())[-2:]
    torch.testing.assert_close(last(block(features[-1])), decoder(latents))
    torch.testing.assert_close(decoder_features(decoder, latents, 1)[0], features[0])
