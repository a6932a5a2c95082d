"""A quick look at a run half-way: `python -m training.glance --config C --data D --work W --phase student`.

Item and colour scores of a phase's network on held-out products that training.evaluate never asks for, so
that what is tuned by them is not tuned on the evaluation. A hundred products take half a minute.
"""

import argparse
from collections import Counter
from pathlib import Path

from training.colour_names import BASIC_OF
from training.config import load_config
from training.evaluate import PHASES, PRODUCTS
from training.evaluation.classifier import train_classifier
from training.evaluation.judging import agreement
from training.evaluation.painters import of_phase, shipped
from training.evaluation.photos import load_photos
from training.evaluation.quality import Answers, Quality
from training.run import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with products/")
    parser.add_argument("--work", type=Path, required=True, help="folder of the run's states")
    parser.add_argument("--phase", choices=PHASES, help="whose network (default: the checkpoint's)")
    parser.add_argument("--checkpoint", type=Path, default=Path("imagegen/starter"))
    parser.add_argument("--language", choices=("en", "pt", "es"), default="en")
    parser.add_argument("--products", type=int, default=100)
    parser.add_argument("--steps", type=int, default=12, help="of the teacher")
    parser.add_argument("--guidance", type=float, default=3.0, help="of the teacher")
    parser.add_argument("--sheet", type=Path, help="PNG to write")
    arguments = parser.parse_args()

    recipe = Recipe(load_config(arguments.config), arguments.data, arguments.work)
    kept = arguments.work / "evaluation"
    photos = load_photos([arguments.data / name for name in recipe.config.parquets], kept / "photos-64.npz")
    classifier = train_classifier(photos, kept / "classifier.pt")
    quality = Quality(photos, classifier, arguments.products, others=PRODUCTS)
    painter = (
        of_phase(recipe, arguments.phase, arguments.steps, arguments.guidance)
        if arguments.phase
        else shipped(arguments.checkpoint)
    )
    answers = quality.ask(painter, arguments.language)
    print(agreement(answers.verdicts, answers.asked))
    for wanted, found in sorted(colours(answers).items()):
        print(f"{wanted:8}", dict(found.most_common()))
    if arguments.sheet:
        quality.sheet(answers).save(arguments.sheet)


def colours(answers: Answers) -> dict[str, Counter[str]]:
    """Of each basic colour that was asked for: which ones came."""
    found: dict[str, Counter[str]] = {}
    for record, colour in zip(answers.asked, answers.verdicts.colours, strict=True):
        if record["colour"] in BASIC_OF:
            found.setdefault(BASIC_OF[record["colour"]], Counter())[colour] += 1
    return found


if __name__ == "__main__":
    main()
