"""The quality figures of the starter: `python -m training.evaluate --config C --data D --work W --out
FILE.json`.

Pictures of `--checkpoint` (as the product makes them) and of the run's phases that have a state are judged
by a classifier trained on photos only, by the colour of their product, and by their distances to photos.
Prompts are the plain captions of held-out products. The first call trains the classifier (some minutes of
one core); it and the photos are kept in WORK/evaluation. With --phase, only those phases are judged and
added to what --out holds: the teacher in fifty guided steps takes longer than all else.
"""

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from training.config import load_config
from training.evaluation.classifier import train_classifier
from training.evaluation.painters import TEACHER_STEPS, of_phase, shipped
from training.evaluation.photos import load_photos
from training.evaluation.product_titles import catalogue_titles, read_titles
from training.evaluation.quality import LANGUAGES, Quality
from training.networks import SIGMAS
from training.run import Recipe
from training.state import load_state

log = logging.getLogger(__name__)

PHASES = ("flow", "student", "ternary")
PRODUCTS = 300  # that are asked for, of the held-out ones
SCORES = ("category", "colour")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with products/ and csv/")
    parser.add_argument("--work", type=Path, required=True, help="folder of the run's states")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--sheets", type=Path, help="folder for the sheets (default: none)")
    parser.add_argument("--checkpoint", type=Path, default=Path("imagegen/starter"), help="what ships")
    parser.add_argument("--products", type=int, default=PRODUCTS, help="held-out products to ask for")
    parser.add_argument("--teacher-products", type=int, default=150, help="of them, for the 50-step teacher")
    parser.add_argument("--phase", choices=PHASES, action="append", help="only these, added to --out")
    parser.add_argument("--no-phases", action="store_true", help="only the checkpoint")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

    recipe = Recipe(load_config(arguments.config), arguments.data, arguments.work)
    parquets = [arguments.data / name for name in recipe.config.parquets]
    kept = arguments.work / "evaluation"
    photos = load_photos(parquets, kept / "photos-64.npz")
    quality = Quality(photos, train_classifier(photos, kept / "classifier.pt"), arguments.products)

    if arguments.phase:
        result = read_result(arguments.out, quality)
        phases = arguments.phase
    else:
        titles = read_titles(arguments.data / "csv"), catalogue_titles(parquets)
        result = checkpoint_report(quality, arguments.checkpoint, *titles)
        phases = [phase for phase in PHASES if (arguments.work / f"{phase}.pt").exists()]
        if arguments.no_phases:
            phases = []
    for phase in phases:
        count = arguments.teacher_products if phase == "flow" else None
        result["models"][phase] = phase_report(quality, recipe, phase, count)
        log.info("%s %s", phase, result["models"][phase])
        write_result(arguments.out, result)
    write_result(arguments.out, result)
    if arguments.sheets:
        arguments.sheets.mkdir(parents=True, exist_ok=True)
        for name, sheet in quality.sheets.items():
            sheet.save(arguments.sheets / f"{name}.png")
    print(json.dumps(result["aims"], indent=2))


def checkpoint_report(
    quality: Quality, checkpoint: Path, shops: list[str], catalogue: dict[str, str]
) -> dict[str, Any]:
    """All questions to a checkpoint as the product runs it, beside the same questions to photos."""
    started = time.monotonic()
    machine = describe_machine()
    painter = shipped(checkpoint)
    english = quality.ask(painter)
    quality.sheets["sheet"] = quality.sheet(english)
    return {
        "benchmark": "starter-quality",
        "checkpoint": checkpoint.as_posix(),
        "machine": machine,
        "classifier": quality.classifier_report(),
        "photos": quality.photo_report(),
        "models": {"shipped": quality.model_report(english), "floor": quality.floor_report()},
        "languages": quality.language_report(painter, english),
        "titles": quality.title_report(painter, shops, catalogue),
        "variety": quality.variety_report(painter),
        "copies": quality.copy_report(english),
        "seconds": round(time.monotonic() - started),
    }


def phase_report(quality: Quality, recipe: Recipe, phase: str, count: int | None) -> dict[str, Any]:
    """A phase's scores, in each language but for the teacher, distances and variety, how long it learnt."""
    started = time.monotonic()
    machine = describe_machine()
    painter = of_phase(recipe, phase)
    english = quality.ask(painter, count=count)
    quality.sheets[f"sheet-{phase}"] = quality.sheet(english, worst_first=False)
    found = quality.model_report(english)
    log.info("%s %s", phase, found)
    teacher = phase == "flow"
    if not teacher:  # whose fifty guided steps take too long to ask thrice
        found["languages"] = quality.language_report(painter, english)
    variety = quality.variety_report(painter, f"variety-{phase}")
    state = load_state(recipe.work / f"{phase}.pt")
    return {
        **found,
        "variety": {name: value for name, value in variety.items() if name != "each"},
        "steps": TEACHER_STEPS if teacher else len(SIGMAS) - 1,
        "guidance": recipe.config.student.guidance if teacher else 1.0,
        "training": state and {"samples": state["seen"], "loss": round(state["smooth"], 4)},
        "machine": machine,
        "seconds": round(time.monotonic() - started),
    }


def read_result(path: Path, quality: Quality) -> dict[str, Any]:
    """What an earlier call wrote; refuses figures of another judge or of other products."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if (result["classifier"], result["photos"]) != (quality.classifier_report(), quality.photo_report()):
        raise ValueError(f"{path}: by another judge, or of other products than asked for now")
    return result


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write the result, its comparisons and aims computed anew."""
    if "student" in result["models"]:
        result["kept"] = kept(result)
    result["aims"] = aims(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def kept(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What ships over the dense student: each score's ratio in each language, and over all pictures."""
    ours, dense = result["languages"], result["models"]["student"]["languages"]
    ratios = {
        language: {score: ours[language][score] / dense[language][score] for score in SCORES}
        for language in LANGUAGES
    }
    # As many pictures in each language: the mean of their scores is the score of all.
    ratios["all"] = {
        score: sum(ours[language][score] for language in LANGUAGES)
        / sum(dense[language][score] for language in LANGUAGES)
        for score in SCORES
    }
    return {name: {score: round(value, 4) for score, value in row.items()} for name, row in ratios.items()}


def aims(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each aim of the starter with what was measured; nulls where a model to compare with is missing."""
    shipped_scores, models, languages = result["models"]["shipped"], result["models"], result["languages"]
    furthest = min(
        languages[language][f"{score}_points_from_english"] for language in ("pt", "es") for score in SCORES
    )
    found: dict[str, tuple[float | None, float]] = {
        "category: as often as photos of the same products": (
            shipped_scores["category"],
            result["photos"]["all"]["category"],
        ),
        "colour": (shipped_scores["colour"], 0.88),
        "languages: points from English, the worst": (furthest, -5.0),
        "titles of shops": (result["titles"]["shops"]["top1"], 0.70),
    }
    for score in SCORES:
        ratio = shipped_scores[score] / models["student"][score] if "student" in models else None
        found[f"{score}: shipped over dense student"] = (ratio, 0.95)
    return {
        name: {
            "measured": None if measured is None else round(measured, 4),
            "aim": aim,
            "met": None if measured is None else measured >= aim,
        }
        for name, (measured, aim) in found.items()
    }


if __name__ == "__main__":
    main()
