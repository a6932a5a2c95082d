"""The evaluation on drawn photos and a painter that copies them: every figure has a known answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.evaluate import aims, kept, read_result, write_result
from training.evaluation.classifier import train_classifier
from training.evaluation.photos import Photos
from training.evaluation.quality import Quality

SHAPES = {"belt": (28, 36, 6, 58), "tie": (6, 58, 28, 36)}
PAINTS = {"red": (200, 20, 30), "blue": (30, 60, 190)}
NOUNS = {"belt": ("belt", "cinto", "cinturón"), "tie": ("tie", "gravata", "corbata")}
COLOURS = {"red": ("red", "vermelh", "roj"), "blue": ("blue", "azul", "azul")}


def drawn(item: str, colour: str, shift: int) -> NDArray[np.uint8]:
    top, bottom, left, right = SHAPES[item]
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[top + shift : bottom + shift, left:right] = PAINTS[colour]
    return picture


def catalogue() -> Photos:
    pixels, records = [], []
    for number in range(120):
        item, colour = ("belt", "tie")[number % 2], ("red", "blue")[number // 2 % 2]
        nothing = dict.fromkeys(("material", "pattern", "gender", "usage"), "")
        split = "train" if number < 80 else "held-out"
        # Held-out photos stand lower than any in training.
        pixels.append(drawn(item, colour, number % 5 + (5 if split == "held-out" else 0)))
        records.append(
            {"id": str(number), "split": split, "item": item, "colour": colour, "width": "224", **nothing}
        )
    return Photos(np.stack(pixels), records)


def faithful(prompts: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
    """Draws what is asked, in any of the languages."""
    pictures = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        words = prompt.lower()
        item = next(item for item, nouns in NOUNS.items() if any(noun in words for noun in nouns))
        colour = next(
            (colour for colour, names in COLOURS.items() if any(name in words for name in names)), "red"
        )
        pictures.append(drawn(item, colour, seed % 5))
    return np.stack(pictures)


def always_a_red_belt(prompts: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
    return np.stack([drawn("belt", "red", 0)] * len(prompts))


@pytest.fixture(scope="module")
def quality(tmp_path_factory: pytest.TempPathFactory) -> Quality:
    photos = catalogue()
    state = tmp_path_factory.mktemp("judge") / "c.pt"
    classifier = train_classifier(photos, state, samples=40 * 16, batch=16)
    return Quality(photos, classifier, products=24)


def test_the_photos_and_a_faithful_painter_score_full_marks(quality: Quality) -> None:
    answers = quality.ask(faithful)
    assert quality.classifier_report()["top1"] == 1
    assert quality.photo_report()["all"]["colour"] == 1
    report = quality.model_report(answers)
    assert (report["category"], report["colour"]) == (1, 1)
    assert quality.sheet(answers).size[0] == 1600


def test_a_painter_of_one_picture_scores_as_chance_would(quality: Quality) -> None:
    answers = quality.ask(always_a_red_belt)
    report = quality.model_report(answers)
    asked = [record["item"] for record in answers.asked]
    assert report["category"] == round(asked.count("belt") / len(asked), 4)
    assert report["kernel_distance_all"] > quality.model_report(quality.ask(faithful))["kernel_distance_all"]


def test_languages_and_titles(quality: Quality) -> None:
    languages = quality.language_report(faithful, quality.ask(faithful))
    assert languages["pt"]["category_points_from_english"] == 0
    assert languages["es"]["colour_points_from_english"] == 0
    titles = {record["id"]: f"Acme {record['colour']} {record['item']}" for record in quality.photos.records}
    report = quality.title_report(faithful, ["Wide Leather Belt", "Silk Tie", "Sofa", "Cap"], titles)
    assert report["shops"]["top1"] == 1
    assert report["shops"]["titles"] == 2
    assert report["shops"]["unjudged"] == ["Cap"]
    assert report["catalogue"]["category"] == 1


def test_variety_and_copies(quality: Quality) -> None:
    assert quality.variety_report(always_a_red_belt)["colours_ratio"] == 0
    assert quality.variety_report(faithful)["colours_ratio"] > 0
    report = quality.copy_report(quality.ask(faithful))
    assert report["pictures"]["p95"] < 0.1  # all of them are in the training photos
    assert {"closest", "variety"} <= set(quality.sheets)


def test_aims_name_what_is_met_and_what_is_missing() -> None:
    same = {"category_points_from_english": -1.0, "colour_points_from_english": -6.0}
    result = {
        "models": {"shipped": {"category": 0.9, "colour": 0.9}},
        "photos": {"all": {"category": 0.88}},
        "languages": {"pt": same, "es": same},
        "titles": {"shops": {"top1": 0.7}},
    }
    met = [aim["met"] for aim in aims(result).values()]
    assert met == [True, True, False, True, None, None]
    result["models"]["student"] = {"category": 0.91, "colour": 0.96}
    met = [aim["met"] for aim in aims(result).values()]
    assert met == [True, True, False, True, True, False]


def test_what_ships_keeps_is_told_by_language_and_of_all_pictures() -> None:
    def scores(*category: float) -> dict[str, dict[str, float]]:
        return {
            language: {"category": share, "colour": 0.5}
            for language, share in zip(("en", "pt", "es"), category, strict=True)
        }

    ratios = kept(
        {"languages": scores(0.9, 0.8, 0.7), "models": {"student": {"languages": scores(0.9, 1.0, 0.5)}}}
    )
    assert [row["category"] for row in ratios.values()] == [1.0, 0.8, 1.4, 1.0]
    assert ratios["all"]["colour"] == 1.0


def test_a_phase_is_added_to_the_figures_of_the_same_judge_only(quality: Quality, tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    languages = quality.language_report(faithful, quality.ask(faithful))
    result = {
        "classifier": quality.classifier_report(),
        "photos": quality.photo_report(),
        "models": {"shipped": quality.model_report(quality.ask(faithful))},
        "languages": languages,
        "titles": {"shops": {"top1": 0.7}},
    }
    write_result(path, result)
    result = read_result(path, quality)
    result["models"]["student"] = {"category": 1.0, "colour": 1.0, "languages": languages}
    write_result(path, result)
    assert read_result(path, quality)["kept"]["all"] == {"category": 1.0, "colour": 1.0}
    other = Quality(quality.photos, quality.classifier, products=12)
    other.verdicts = quality.verdicts[np.arange(3)]
    other.held_out = quality.held_out[:3]
    with pytest.raises(ValueError, match="another judge"):
        read_result(path, other)
