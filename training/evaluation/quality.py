"""The evaluation's questions, one method each: ask a painter for pictures, report what was judged of them.

Photos are judged by the same functions beside every figure, so that each has its reference. Does not know
how the models are loaded nor where results go.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.captions import Attributes, plain_caption
from training.colour_names import BASIC_OF
from training.evaluation.classifier import SAMPLES, Classifier
from training.evaluation.distances import kernel_distance, mean_pairwise
from training.evaluation.judging import Verdicts, agreement, describe, judge, share
from training.evaluation.nearest import Archive
from training.evaluation.painters import Painter
from training.evaluation.photos import Photos
from training.evaluation.product_titles import SYNONYMS, NamedTitle, name_item
from training.evaluation.sheets import Cell, contact_sheet

COMMON_ITEMS = 20
SEEDS_OF_A_TITLE = 4
VARIED_PROMPTS, VARIED_SEEDS = 12, 8
VARIED_OF_A_COLOUR = 3  # else nearly all of the prompts are black
SHEET, CLOSEST = 100, 12
LANGUAGES = ("en", "pt", "es")
PERCENTILES = (0, 1, 5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Answers:
    """The products asked for, the prompts, the pictures, uint8 [N, H, H, 3], and the verdicts on them."""

    asked: list[Attributes]
    prompts: list[str]
    pictures: NDArray[np.uint8]
    verdicts: Verdicts


class Quality:
    """The photos, the judge, and the held-out products that models are asked for.

    `products` of the 20 commonest items are drawn at random; the seed of a picture is its product's number.
    `others` leaves out that many of the drawn ones first: products for steering, which those do not meet.
    """

    def __init__(self, photos: Photos, classifier: Classifier, products: int, others: int = 0) -> None:
        self.photos, self.classifier = photos, classifier
        self.items = photos.common_items(COMMON_ITEMS)
        self.held_out = photos.rows("held-out", self.items)
        self.rows = np.random.default_rng(0).permutation(self.held_out)[others : others + products]
        self.verdicts = judge(classifier, photos.pixels[self.held_out])
        self.sheets: dict[str, Image.Image] = {}

    def ask(self, painter: Painter, language: str = "en", count: int | None = None) -> Answers:
        """A picture of each of the products (the first `count`), from its plain caption in a language."""
        asked = [self.photos.records[row] for row in self.rows[:count]]
        return self._paint(
            painter, asked, [plain_caption(record, language) for record in asked], list(range(len(asked)))
        )

    def classifier_report(self) -> dict[str, Any]:
        """How good the judge is: its top-1 on all held-out photos of the common items."""
        sharp = set(self.photos.sharp(self.held_out).tolist())
        wide = np.array([row in sharp for row in self.held_out])
        hits = np.array(self.verdicts.items) == [self.photos.records[row]["item"] for row in self.held_out]
        by_item = {
            item: share(hits[[self.photos.records[row]["item"] == item for row in self.held_out]].tolist())
            for item in self.items
        }
        return {
            "samples": SAMPLES,
            "items": len(self.classifier.items),
            "top1": share(hits.tolist()),
            "top1_sharp": share(hits[wide].tolist()),
            "top1_thumbnails": share(hits[~wide].tolist()),
            "photos": len(hits),
            "photos_sharp": int(wide.sum()),
            "top1_by_item": by_item,
        }

    def photo_report(self) -> dict[str, Any]:
        """The scores of the very photos of the products asked for, and of the sharp ones among them."""
        sharp = self.photos.sharp(self.rows)
        return {"all": self._photo_scores(self.rows), "sharp": self._photo_scores(sharp)}

    def model_report(self, answers: Answers) -> dict[str, Any]:
        """Scores of pictures, and their kernel distance to held-out photos, sharp ones and all."""
        features = answers.verdicts.descriptors.features
        return {**agreement(answers.verdicts, answers.asked), **self._closeness(features)}

    def floor_report(self) -> dict[str, Any]:
        """The kernel distance of sharp training photos of the same items: no model can be nearer."""
        wanted = Counter(self.photos.records[row]["item"] for row in self.rows)
        rng = random.Random(0)
        rows: list[int] = []
        for item, count in wanted.items():
            known = self.photos.sharp(self.photos.rows("train", (item,))).tolist()
            rows += rng.sample(known, min(count, len(known)))
        _, features = self.classifier.judge(self.photos.pixels[rows])
        return {"n": len(rows), **self._closeness(features)}

    def language_report(self, painter: Painter, english: Answers) -> dict[str, Any]:
        """The same products and seeds asked for in Portuguese and Spanish; differences in points."""
        scores = {"en": agreement(english.verdicts, english.asked)}
        for language in LANGUAGES[1:]:
            answers = self.ask(painter, language)
            scores[language] = found = agreement(answers.verdicts, answers.asked)
            for score in ("category", "colour"):
                found[f"{score}_points_from_english"] = round(100 * (found[score] - scores["en"][score]), 1)
            found["examples"] = answers.prompts[:3]
        scores["en"]["examples"] = english.prompts[:3]
        return scores

    def title_report(
        self, painter: Painter, titles: Sequence[str], catalogue: dict[str, str]
    ) -> dict[str, Any]:
        """Titles that name an item as prompts: from shops' CSVs, and (by photo id) the catalogue's own."""
        named = [found for title in titles if (found := name_item(title))]
        judged = [found for found in named if found.items & set(self.classifier.items)]
        asked = [{"item": "", "colour": ""}] * (len(judged) * SEEDS_OF_A_TITLE)
        prompts = [found.title for found in judged for _ in range(SEEDS_OF_A_TITLE)]
        seeds = list(range(SEEDS_OF_A_TITLE)) * len(judged)
        answers = self._paint(painter, asked, prompts, seeds)
        each: list[dict[str, Any]] = []
        cells: list[Cell] = []
        for number, found in enumerate(judged):
            first = number * SEEDS_OF_A_TITLE
            items = answers.verdicts.items[first : first + SEEDS_OF_A_TITLE]
            hits = [item in found.items for item in items]
            each.append({"title": found.title, "names": found.phrase, "right": share(hits), "seen": items})
            cells += [
                Cell(answers.pictures[first + seed], ((found.title, True), (items[seed], hits[seed])))
                for seed in range(SEEDS_OF_A_TITLE)
            ]
        self.sheets["titles"] = contact_sheet(cells, 3 * SEEDS_OF_A_TITLE)
        by_phrase = _mean_by([row["names"] for row in each], [row["right"] for row in each])
        return {
            "shops": {
                "top1": round(float(np.mean([row["right"] for row in each])), 4),
                "titles": len(each),
                "seeds": SEEDS_OF_A_TITLE,
                "unjudged": [found.title for found in named if found not in judged],
                "top1_mean_of_phrases": round(float(np.mean(list(by_phrase.values()))), 4),
                "by_phrase": by_phrase,
                "of_common_items": self._common_share(judged, each),
                "synonyms": SYNONYMS,
                "each": each,
            },
            "catalogue": self._catalogue_titles(painter, catalogue),
        }

    def variety_report(self, painter: Painter, sheet: str = "variety") -> dict[str, Any]:
        """Eight seeds of each of twelve prompts beside eight photos of the same item and colour."""
        pairs = self._common_pairs()
        asked = [self._bare(item, colour) for item, colour in pairs for _ in range(VARIED_SEEDS)]
        prompts = [plain_caption(record, "en") for record in asked]
        answers = self._paint(painter, asked, prompts, list(range(VARIED_SEEDS)) * len(pairs))
        chosen = [row for pair in pairs for row in pairs[pair]]
        photos = describe(self.classifier, self.photos.pixels[chosen])
        each, cells = [], []
        for number, (item, colour) in enumerate(pairs):
            rows = np.arange(number * VARIED_SEEDS, (number + 1) * VARIED_SEEDS)
            made, real = answers.verdicts.descriptors[rows], photos[rows]
            each.append(
                {
                    "prompt": f"{colour} {item}",
                    "features": round(mean_pairwise(made.features), 4),
                    "features_photos": round(mean_pairwise(real.features), 4),
                    "colours": round(mean_pairwise(made.colours), 4),
                    "colours_photos": round(mean_pairwise(real.colours), 4),
                }
            )
            cells += [Cell(answers.pictures[row], ((prompts[row], True),)) for row in rows]
            cells += [Cell(self.photos.pixels[chosen[row]], (("photo", True),)) for row in rows]
        self.sheets[sheet] = contact_sheet(cells, 2 * VARIED_SEEDS)
        means = {
            key: round(float(np.mean([row[key] for row in each])), 4) for key in each[0] if key != "prompt"
        }
        return {
            **means,
            "features_ratio": round(means["features"] / means["features_photos"], 4),
            "colours_ratio": round(means["colours"] / means["colours_photos"], 4),
            "seeds": VARIED_SEEDS,
            "each": each,
        }

    def copy_report(self, answers: Answers) -> dict[str, Any]:
        """Each picture's nearest training photo, beside how near held-out photos come to theirs."""
        train = self.photos.rows("train")
        seen = describe(self.classifier, self.photos.pixels[train])
        sharp = self.photos.sharp(self.held_out)
        unseen = describe(self.classifier, self.photos.pixels[sharp])
        archive = Archive(seen, unseen)
        made, real = archive.nearest(answers.verdicts.descriptors), archive.nearest(unseen)
        order = made.distances.argsort()[:CLOSEST]
        cells, closest = [], []
        for number in order.tolist():
            photo, distance = int(train[made.rows[number]]), float(made.distances[number])
            name = self.photos.records[photo]["id"]
            closest.append({"prompt": answers.prompts[number], "photo": name, "distance": round(distance, 4)})
            cells += [
                Cell(answers.pictures[number], ((answers.prompts[number], True),)),
                Cell(self.photos.pixels[photo], ((f"{name} at {distance:.2f}", True),)),
            ]
        self.sheets["closest"] = contact_sheet(cells, 8)
        bound = float(np.percentile(real.distances, 1))
        return {
            "distance": "OKLab 32x32 + classifier features, each over the median of held-out photos",
            "pictures": _percentiles(made.distances),
            "held_out_photos": _percentiles(real.distances),
            "nearer_than_the_nearest_percent_of_held_out": share((made.distances < bound).tolist()),
            "nearer_than_any_held_out": share((made.distances < real.distances.min()).tolist()),
            "closest": closest,
        }

    def sheet(self, answers: Answers, worst_first: bool = True) -> Image.Image:
        """The first hundred pictures with prompt and verdicts, least right first."""
        rows = list(range(min(SHEET, len(answers.prompts))))
        verdicts = answers.verdicts
        known = {item: number for number, item in enumerate(self.classifier.items)}

        def rightness(row: int) -> tuple[int, float]:
            record = answers.asked[row]
            wrong = (verdicts.items[row] != record["item"]) + (self._colour_verdict(answers, row) is False)
            return -wrong, float(verdicts.shares[row, known[record["item"]]])

        cells = []
        for row in sorted(rows, key=rightness) if worst_first else rows:
            item, colour = verdicts.items[row], verdicts.colours[row]
            certain = float(verdicts.shares[row].max())
            cells.append(
                Cell(
                    answers.pictures[row],
                    (
                        (answers.prompts[row], True),
                        (f"{item} {certain:.0%}", item == answers.asked[row]["item"]),
                        (colour, self._colour_verdict(answers, row) is not False),
                    ),
                )
            )
        return contact_sheet(cells, 10)

    def _paint(
        self, painter: Painter, asked: list[Attributes], prompts: list[str], seeds: list[int]
    ) -> Answers:
        pictures = painter(prompts, seeds)
        return Answers(asked, prompts, pictures, judge(self.classifier, pictures))

    def _photo_scores(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        verdicts = judge(self.classifier, self.photos.pixels[rows])
        return agreement(verdicts, [self.photos.records[row] for row in rows])

    def _closeness(self, features: NDArray[np.float32]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        of_row = {row: number for number, row in enumerate(self.held_out.tolist())}
        for name, rows in (("sharp", self.photos.sharp(self.held_out)), ("all", self.held_out)):
            numbers = [of_row[row] for row in rows.tolist()]
            mean, error = kernel_distance(features, self.verdicts.descriptors.features[numbers])
            found[f"kernel_distance_{name}"] = round(mean, 5)
            found[f"kernel_distance_{name}_error"] = round(error, 5)
        return found

    def _common_share(self, judged: list[NamedTitle], each: list[dict[str, Any]]) -> dict[str, Any]:
        chosen = [
            row["right"] for found, row in zip(judged, each, strict=True) if found.items & set(self.items)
        ]
        return {"titles": len(chosen), "top1": round(float(np.mean(chosen)), 4) if chosen else None}

    def _catalogue_titles(self, painter: Painter, titles: dict[str, str]) -> dict[str, Any]:
        """Titles as the retailer wrote them, brand names and all; no caption in training ever held one."""
        asked = [self.photos.records[row] for row in self.rows]
        prompts = [titles[record["id"]] for record in asked]
        answers = self._paint(painter, asked, prompts, list(range(len(asked))))
        return {**agreement(answers.verdicts, asked), "examples": prompts[:5]}

    def _common_pairs(self) -> dict[tuple[str, str], list[int]]:
        """The commonest items with their commonest colour that has enough sharp photos -> random ones."""
        sharp = self.photos.sharp(np.arange(len(self.photos.records)))
        records = self.photos.records
        rows: dict[tuple[str, str], list[int]] = {}
        for row in sharp.tolist():
            rows.setdefault((records[row]["item"], records[row]["colour"]), []).append(row)
        pairs: dict[tuple[str, str], list[int]] = {}
        rng = random.Random(0)
        for pair in sorted(rows, key=lambda pair: -len(rows[pair])):
            item, colour = pair
            fresh = item in self.items and item not in {other for other, _ in pairs}
            rare = colour in BASIC_OF and [other for _, other in pairs].count(colour) < VARIED_OF_A_COLOUR
            if fresh and rare and len(rows[pair]) >= VARIED_SEEDS:
                pairs[pair] = rng.sample(rows[pair], VARIED_SEEDS)
        return dict(list(pairs.items())[:VARIED_PROMPTS])

    @staticmethod
    def _bare(item: str, colour: str) -> Attributes:
        nothing = dict.fromkeys(("material", "pattern", "gender", "usage"), "")
        return {"item": item, "colour": colour, **nothing}

    @staticmethod
    def _colour_verdict(answers: Answers, row: int) -> bool | None:
        wanted = BASIC_OF.get(answers.asked[row]["colour"])
        return None if wanted is None else answers.verdicts.colours[row] == wanted


def _percentiles(values: NDArray[np.float32]) -> dict[str, float]:
    return {f"p{step}": round(float(np.percentile(values, step)), 4) for step in PERCENTILES}


def _mean_by(names: list[str], values: list[float]) -> dict[str, float]:
    groups: dict[str, list[float]] = {}
    for name, value in zip(names, values, strict=True):
        groups.setdefault(name, []).append(value)
    return {name: round(float(np.mean(group)), 4) for name, group in groups.items()}
