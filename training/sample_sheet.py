"""A sheet of pictures from the newest network of a run: `python -m training.sample_sheet --out FILE ...`.

Draws with the training classes (diffusers), four steps, no guidance, so it can look at a run half-way. What
the product makes of the exported checkpoint is `imagegen generate`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.config import load_config
from training.networks import GRID, TOKEN_CHANNELS, unpatchify
from training.run import Recipe
from training.sampling import draw
from training.ternary import make_ternary

PROMPTS = (
    "brown leather handbag", "black formal shoes for men", "blue sports shoe", "red heels",
    "silver men's watch", "sunglasses", "green backpack", "red lipstick",
    "white casual shoe", "gold watch for women", "pink flip-flops", "brown wallet",
    "black belt", "Navy blue running shoe with white sole", "tênis azul-marinho masculino",
    "bolso negro de mujer",
)  # fmt: skip
COLUMNS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    recipe = Recipe(load_config(arguments.config), arguments.data, arguments.work)
    draw_sheet(recipe, arguments.out, arguments.seed)


@torch.no_grad()
def draw_sheet(recipe: Recipe, out: Path, seed: int) -> None:
    """Write PROMPTS as rows of eight 256x256 pictures."""
    phase = recipe.newest()
    network = recipe.network(phase)
    make_ternary(network.transformer)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(PROMPTS), GRID * GRID, TOKEN_CHANNELS, generator=generator)
    tokens = draw(network, list(PROMPTS), noise)
    latents = unpatchify(recipe.statistics().denormalize(tokens))
    pictures = (recipe.autoencoder().decode(latents).sample / 2 + 0.5).clamp(0, 1)
    rows = [torch.cat(list(row), dim=2) for row in pictures.split(COLUMNS)]
    sheet = torch.cat(rows, dim=1).mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(sheet)).save(out)


if __name__ == "__main__":
    main()
