"""Attributes -> one of many phrasings, in English, Portuguese or Spanish. No titles, so no brand names.

A caption is drawn anew each time a photo is sampled. Small, soft source photos are marked as thumbnails, so
that an unmarked prompt asks for a sharp picture.
"""

import random

from training.vocabulary import (
    COLOURS,
    ENGLISH_ITEMS,
    GENDERS,
    MATERIALS,
    PATTERNS,
    PORTUGUESE_ITEMS,
    SPANISH_ITEMS,
    USAGES,
)

Attributes = dict[str, str]

LANGUAGE_WEIGHTS = {"en": 60, "pt": 20, "es": 20}
THUMBNAIL_WIDTH = 160  # source photos narrower than this are marked
THUMBNAIL_CHANCE = 0.85
FRAME_CHANCE = 0.3
# The tokenizer keeps case (transformers' Qwen2 class drops a lower-casing normalizer), so captions vary it.
CASES = {"lower": 78, "sentence": 12, "title": 7, "upper": 3}
AGREEMENT = {"m": 0, "f": 1, "mp": 2, "fp": 3}

ENGLISH_FRAMES = [
    "photo of {}", "product photo of {}", "studio photo of {}", "a picture of {}", "{} on white background",
    "{} on a white background", "{}, white background", "{}, product photo", "{}, isolated on white",
    "{}, catalogue photo", "new {}", "{}, high quality", "{}, studio lighting",
    "photo of {} on white background", "elegant {}", "classic {}", "{} for sale",
]  # fmt: skip
PORTUGUESE_FRAMES = [
    "foto de {}", "{} em fundo branco", "{}, fundo branco", "foto de produto: {}", "{}, alta qualidade",
    "{} à venda",
]  # fmt: skip
SPANISH_FRAMES = [
    "foto de {}", "{} sobre fondo blanco", "{}, fondo blanco", "foto de producto: {}", "{}, alta calidad",
    "{} en venta",
]  # fmt: skip


def caption(attributes: Attributes, rng: random.Random) -> str:
    """One caption of a product; `attributes` has item, colour, material, pattern, gender, usage and width."""
    language = rng.choices(list(LANGUAGE_WEIGHTS), weights=list(LANGUAGE_WEIGHTS.values()))[0]
    item = attributes["item"]
    if language == "pt" and item in PORTUGUESE_ITEMS:
        text = _romance(attributes, rng, PORTUGUESE_ITEMS[item], language)
        frames, mark = PORTUGUESE_FRAMES, ", miniatura"
    elif language == "es" and item in SPANISH_ITEMS:
        text = _romance(attributes, rng, SPANISH_ITEMS[item], language)
        frames, mark = SPANISH_FRAMES, ", miniatura"
    else:
        text, frames, mark = _english(attributes, rng), ENGLISH_FRAMES, ", thumbnail"
    if rng.random() < FRAME_CHANCE:
        text = rng.choice(frames).format(text)
    if int(attributes["width"]) < THUMBNAIL_WIDTH and rng.random() < THUMBNAIL_CHANCE:
        text += mark
    return _in_case(text, rng.choices(list(CASES), weights=list(CASES.values()))[0])


def plain_caption(attributes: Attributes, language: str) -> str:
    """The one plainest caption of a product in "en", "pt" or "es": no frame, no synonyms, nothing at random.

    Raises KeyError where `language` has no word for the item.
    """
    item, qualities = (
        attributes["item"],
        (MATERIALS.get(attributes["material"]), PATTERNS.get(attributes["pattern"])),
    )
    column = list(LANGUAGE_WEIGHTS).index(language)
    gender, colours = GENDERS.get(attributes["gender"]), COLOURS.get(attributes["colour"])
    colour = colours[column][0] if colours else ""
    described = [quality[column] for quality in qualities if quality and quality[column] not in colour]
    if language == "en":
        words = [gender[0] if gender else "", colour, *reversed(described), ENGLISH_ITEMS[item][0][0]]
    else:
        noun, number = (PORTUGUESE_ITEMS if language == "pt" else SPANISH_ITEMS)[item][0]
        who = gender[2 if language == "pt" else 3][0] if gender else ""
        words = [noun, *described, _agree(colour, number), _agree(who, number)]
    return " ".join(word for word in words if word)


def _in_case(text: str, case: str) -> str:
    if case == "sentence":
        return text[0].upper() + text[1:]
    if case == "title":
        return " ".join(word[0].upper() + word[1:] for word in text.split(" "))
    return text.upper() if case == "upper" else text


def _english(attributes: Attributes, rng: random.Random) -> str:
    singular, plural = ENGLISH_ITEMS.get(attributes["item"], ([attributes["item"]], []))
    colour = rng.choice(COLOURS[attributes["colour"]][0]) if attributes["colour"] in COLOURS else ""
    qualities = []
    if attributes["pattern"] in PATTERNS and rng.random() < 0.8:
        qualities.append(PATTERNS[attributes["pattern"]][0])
    material = MATERIALS.get(attributes["material"])
    if material and material[0] not in colour and rng.random() < 0.8:
        qualities.append(material[0])
    usage = USAGES.get(attributes["usage"])
    if usage and usage not in attributes["item"] and rng.random() < 0.1:
        qualities.insert(0, usage)
    gender = GENDERS.get(attributes["gender"])
    if rng.random() < 0.45:
        gender = None

    paired = bool(plural) and rng.random() < 0.4
    noun = rng.choice(plural if paired else singular)
    if rng.random() < 0.5:
        noun = (plural if paired else singular)[0]
    colour_after = bool(colour) and rng.random() < 0.2
    words = ([] if colour_after else [colour]) + qualities + [noun]
    if gender and rng.random() < 0.5:
        words.insert(0, gender[0])
        gender = None
    text = " ".join(word for word in words if word)
    if paired and rng.random() < 0.5:
        text = f"a pair of {text}"
    elif not paired and not plural and rng.random() < 0.25:
        text = f"{'an' if text[0] in 'aeiou' else 'a'} {text}"
    if colour_after:
        text += rng.choice([" in {}", ", {}", " in {} colour"]).format(colour)
    if gender:
        text += rng.choice([" for {}", " for {}", ", {}"]).format(gender[1])
    return text


def _romance(attributes: Attributes, rng: random.Random, nouns: list[tuple[str, str]], language: str) -> str:
    column = 1 if language == "pt" else 2
    noun, number = rng.choice(nouns)
    colour = ""
    if attributes["colour"] in COLOURS:
        colour = _agree(rng.choice(COLOURS[attributes["colour"]][column]), number)
    parts = [noun]
    material = MATERIALS.get(attributes["material"])
    if material and material[column] not in colour and rng.random() < 0.8:
        parts.append(material[column])
    pattern = PATTERNS.get(attributes["pattern"])
    if pattern and rng.random() < 0.8:
        parts.append(pattern[column])
    gender = GENDERS.get(attributes["gender"])
    who = _agree(rng.choice(gender[2 if language == "pt" else 3]), number) if gender else ""
    tail = [colour, who if rng.random() < 0.55 else ""]
    if rng.random() < 0.3:
        tail.reverse()
    return " ".join(word for word in parts + tail if word)


def _agree(forms: str, number: str) -> str:
    choices = forms.split("/")
    return choices[AGREEMENT[number]] if len(choices) == 4 else forms
