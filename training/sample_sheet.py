"""A sheet of what the starter draws: `python -m training.sample_sheet --out FILE [--checkpoint DIR]`.

Three seeds a prompt through the product's own pipeline, unfinished; nothing but the checkpoint is needed. To
look at a run half-way, export it somewhere first (training.run --phase export --target DIR).
"""

import argparse
from pathlib import Path

import numpy as np

from training.evaluation.painters import shipped
from training.evaluation.sheets import Cell, contact_sheet

PROMPTS = (
    "navy blue running shoe with white sole", "brown leather handbag",
    "silver men's watch with black dial", "red lipstick",
    "black formal shoes for men", "red heels", "white casual shoe", "pink flip-flops",
    "sunglasses", "green backpack", "brown wallet", "black belt",
    "gold watch for women", "purple perfume bottle", "blue striped tie", "black cap",
    "tênis azul-marinho masculino", "bolsa vermelha feminina", "bolso negro de mujer",
    "zapatos marrones de hombre",
)  # fmt: skip
SEEDS = 3
COLUMNS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("imagegen/starter"))
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    prompts = [prompt for prompt in PROMPTS for _ in range(SEEDS)]
    pictures = shipped(arguments.checkpoint)(prompts, list(range(SEEDS)) * len(PROMPTS))
    cells = [
        Cell(np.asarray(picture), ((prompt, True),))
        for picture, prompt in zip(pictures, prompts, strict=True)
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(cells, COLUMNS).save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
