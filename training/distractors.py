"""Words around the item and its colour that sellers write and our labels know nothing of.

The text encoder has to read past them: without, "navy blue running shoe with white sole" drew sunglasses.
"""

import random
import string

from training.vocabulary import COLOURS

PARTS = {
    "with {} {}": (
        "sole", "laces", "strap", "buckle", "dial", "zip", "logo", "stitching", "handle", "heel", "lining",
        "frame", "lenses", "stripes", "details", "trim", "pockets", "band", "case", "toe",
    ),
    "com {1} {0}": (
        "sola", "cadarço", "alça", "fivela", "mostrador", "zíper", "detalhes", "forro", "pulseira",
        "armação", "lentes",
    ),
    "con {1} {0}": (
        "suela", "cordones", "correa", "hebilla", "esfera", "cremallera", "detalles", "forro", "montura",
        "lentes",
    ),
}  # fmt: skip
LANGUAGES = {"with {} {}": 0, "com {1} {0}": 1, "con {1} {0}": 2}
PHRASES = (
    "comfortable", "lightweight", "durable", "waterproof", "premium", "vintage", "modern", "stylish",
    "soft", "small", "large", "genuine", "handmade", "everyday", "for everyday use", "perfect for work",
    "for running", "for travel", "new collection", "with adjustable strap", "with two compartments",
    "easy to clean", "made of genuine leather", "best seller", "free shipping", "for summer",
    "for winter", "gift idea", "size", "limited edition", "confortável", "leve", "resistente", "novo",
    "nova coleção", "para o dia a dia", "ideal para presente", "cómodo", "ligero", "nuevo",
    "para todos los días", "ideal para regalo", "de alta calidad", "and", "the", "with", "it is",
)  # fmt: skip


def distract(text: str, rng: random.Random) -> str:
    """`text` with one to three phrases before or, mostly, after it."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        extra = _phrase(rng)
        after = rng.choice(("{0} {1}", "{0} {1}", "{0}, {1}", "{0}. {1}", "{1} {0}"))
        text = after.format(text, extra)
    return text


def _phrase(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        pattern = rng.choice(("with {} {}", "with {} {}", "com {1} {0}", "con {1} {0}"))
        colour = rng.choice(rng.choice(list(COLOURS.values()))[LANGUAGES[pattern]]).split("/")[0]
        return pattern.format(colour, rng.choice(PARTS[pattern]))
    if kind < 0.8:
        return rng.choice(PHRASES)
    if kind < 0.9:
        return str(rng.randint(1, 999))
    return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 8)))
