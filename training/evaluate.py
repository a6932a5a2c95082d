"""The quality figures of the starter: `python -m training.evaluate --config C --data D --work W --out
FILE.json`.

Pictures of `--checkpoint` (as the product makes them) and of the run's phases that have a state are judged
by a classifier trained on photos only, by the colour of their product, and by their distances to photos.
Prompts are the plain captions of held-out products. The first call trains the classifier (some minutes of
one core); it and the photos are kept in WORK/evaluation.
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
from training.evaluation.painters import TEACHER_GUIDANCE, TEACHER_STEPS, of_phase, shipped
from training.evaluation.photos import load_photos
from training.evaluation.product_titles import catalogue_titles, read_titles
from training.evaluation.quality import Quality
from training.run import Recipe

log = logging.getLogger(__name__)

PHASES = ("flow", "student", "ternary")
PRODUCTS = 300  # that are asked for, of the held-out ones


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
    parser.add_argument("--no-phases", action="store_true", help="only the checkpoint")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    started = time.monotonic()
    machine = describe_machine()

    recipe = Recipe(load_config(arguments.config), arguments.data, arguments.work)
    parquets = [arguments.data / name for name in recipe.config.parquets]
    kept = arguments.work / "evaluation"
    photos = load_photos(parquets, kept / "photos-64.npz")
    quality = Quality(photos, train_classifier(photos, kept / "classifier.pt"), arguments.products)

    painter = shipped(arguments.checkpoint)
    english = quality.ask(painter)
    quality.sheets["sheet"] = quality.sheet(english)
    models = {"shipped": quality.model_report(english)}
    result: dict[str, Any] = {
        "benchmark": "starter-quality",
        "checkpoint": arguments.checkpoint.as_posix(),
        "machine": machine,
        "classifier": quality.classifier_report(),
        "photos": quality.photo_report(),
        "models": models,
    }
    log.info("shipped %s, photos %s", models["shipped"], result["photos"])
    result["languages"] = quality.language_report(painter, english)
    result["titles"] = quality.title_report(
        painter, read_titles(arguments.data / "csv"), catalogue_titles(parquets)
    )
    result["variety"] = quality.variety_report(painter)
    result["copies"] = quality.copy_report(english)
    models["floor"] = quality.floor_report()
    for phase in PHASES:
        if not arguments.no_phases and (arguments.work / f"{phase}.pt").exists():
            count = arguments.teacher_products if phase == "flow" else None
            answers = quality.ask(of_phase(recipe, phase), count=count)
            models[phase] = quality.model_report(answers)
            quality.sheets[f"sheet-{phase}"] = quality.sheet(answers, worst_first=False)
            log.info("%s %s", phase, models[phase])
    result["teacher"] = {"steps": TEACHER_STEPS, "guidance": TEACHER_GUIDANCE}
    result["aims"] = aims(result)
    result["seconds"] = round(time.monotonic() - started)

    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.sheets:
        arguments.sheets.mkdir(parents=True, exist_ok=True)
        for name, sheet in quality.sheets.items():
            sheet.save(arguments.sheets / f"{name}.png")
    print(json.dumps(result["aims"], indent=2))


def aims(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each aim of the starter with what was measured; nulls where a model to compare with is missing."""
    shipped_scores, models, languages = result["models"]["shipped"], result["models"], result["languages"]
    furthest = min(
        languages[language][f"{score}_points_from_english"]
        for language in ("pt", "es")
        for score in ("category", "colour")
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
    for score in ("category", "colour"):
        kept = shipped_scores[score] / models["student"][score] if "student" in models else None
        found[f"{score}: shipped over dense student"] = (kept, 0.95)
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
