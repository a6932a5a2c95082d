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
    "for winter", "gift idea", "size", "limited edition", "14k", "18k", "925",
    "confortável", "leve", "resistente", "novo", "nova coleção",
    "para o dia a dia", "ideal para presente", "cómodo", "ligero", "nuevo",
    "para todos los días", "ideal para regalo", "de alta calidad", "and", "the", "with", "it is",
)  # fmt: skip


SENTENCES = (
    "Made for long days, it pairs comfort with a clean design.", "The perfect choice for any occasion.",
    "A must-have for every wardrobe.", "Designed in a timeless style and built to last.",
    "It features a soft inner lining and a sturdy finish.", "Wipe with a clean, dry cloth.",
    "Comes in a gift box with a one year warranty.", "Team it with your favourite outfit.",
    "Carefully crafted from selected materials.", "Delivered within three working days.",
    "Feito para durar, com acabamento de alta qualidade.", "Perfeito para qualquer ocasião.",
    "Combina conforto e estilo no dia a dia.", "Acompanha caixa e garantia de um ano.",
    "Produto novo, envio imediato.", "Hecho para durar, con acabados de primera.",
    "Perfecto para cualquier ocasión.", "Combina comodidad y estilo cada día.",
    "Incluye caja y un año de garantía.", "Producto nuevo, envío inmediato.",
)  # fmt: skip
OPENINGS = ("Introducing the {}", "Meet our {}", "This {}", "Our {}", "Conheça: {}", "Descubre: {}", "{}")
LONG_CHANCE = 0.25  # a whole description around the caption, as shops write them
BRAND_CHANCE = 0.3  # an invented name in front, where titles carry the real one
SYLLABLES = (
    "ar", "bel", "cor", "dan", "el", "fen", "gia", "ho", "in", "ka", "lo", "mar", "ni", "or", "pa", "ri",
    "sol", "ta", "ul", "ve", "wil", "xa", "yo", "zen", "tri", "ston", "ley", "ine", "ex", "mo",
)  # fmt: skip


def distract(text: str, rng: random.Random) -> str:
    """`text` with one to three phrases around it, an invented brand, or a whole description after it."""
    if rng.random() < BRAND_CHANCE:
        text = f"{_brand(rng)} {text}"
    if rng.random() < LONG_CHANCE:
        opening = rng.choice(OPENINGS).format(text)
        return ". ".join([opening, " ".join(rng.sample(SENTENCES, rng.randint(1, 4)))])
    for _ in range(rng.choice((1, 1, 2, 3))):
        extra = _phrase(rng)
        after = rng.choice(("{0} {1}", "{0} {1}", "{0}, {1}", "{0}. {1}", "{1} {0}"))
        text = after.format(text, extra)
    return text


def _brand(rng: random.Random) -> str:
    names = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))) for _ in range(rng.choice((1, 1, 2)))]
    return " ".join(name.upper() if rng.random() < 0.2 else name.capitalize() for name in names)


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
