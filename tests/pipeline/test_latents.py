from __future__ import annotations

import torch

from imagegen.pipeline.latents import noise, noised, to_maps, to_tokens


def test_noise_is_that_of_one_generator_a_picture() -> None:
    from diffusers.utils.torch_utils import randn_tensor

    seeds = [5, 0, 2**32 - 1]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    reference = randn_tensor((3, 8, 2, 3), generator=generators, dtype=torch.float32)
    found = noise(seeds, channels=8, rows=2, columns=3)
    assert torch.equal(found, reference.flatten(2).transpose(1, 2))
    assert torch.equal(noise([0], 8, 2, 3)[0], found[1])


def test_tokens_unfold_into_two_by_two_positions_of_the_map() -> None:
    rows, columns, channels = 2, 3, 8
    tokens = torch.arange(rows * columns * channels, dtype=torch.float32).view(1, rows * columns, channels)
    mean, std = torch.arange(8.0), torch.arange(8.0) + 1
    maps = to_maps(tokens, rows, columns, mean, std)
    assert maps.shape == (1, 2, 4, 6)
    for channel in range(2):
        for y in range(4):
            for x in range(6):
                token, part = (y // 2) * columns + x // 2, channel * 4 + (y % 2) * 2 + x % 2
                assert maps[0, channel, y, x] == tokens[0, token, part] * std[part] + mean[part]


def test_tokens_and_maps_are_each_others_way_back() -> None:
    maps, mean, std = torch.randn(2, 3, 4, 10), torch.randn(12), torch.rand(12) + 0.5
    tokens = to_tokens(maps, mean, std)
    assert tokens.shape == (2, 10, 12)
    torch.testing.assert_close(to_maps(tokens, 2, 5, mean, std), maps)


def test_a_noise_level_is_the_share_of_noise() -> None:
    clean, drawn = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    assert torch.equal(noised(clean, drawn, 0), clean)
    assert torch.equal(noised(clean, drawn, 1), drawn)
    torch.testing.assert_close(noised(clean, drawn, 0.25), 0.75 * clean + 0.25 * drawn)
