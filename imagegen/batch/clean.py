"""Texts of catalogues as a picture's description needs them: what is seen, without mark-up and shop talk.

The language stays the seller's: nothing is translated, nothing is reworded, things are only left out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html.parser import HTMLParser

MAX_HTML = 20_000
"""Characters that are read for a title or a summary: what stands behind them in longer texts are terms."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BLOCKS = _words("p div br li ul ol tr table td th section article header footer blockquote pre hr dd dt")
_DROPPED = _words("script style head title h1 h2 h3 h4 h5 h6 iframe svg template")
"""Elements whose text is not about how a product looks; headings in a description say "Description"."""


def plain_text(html: str, most: int = MAX_HTML) -> str:
    """The text of a description in HTML, with full stops between its blocks and without line breaks.

    Only the first `most` characters are read.
    """
    text = html[:most]
    if "<" in text or "&" in text:
        page = _Text()
        page.feed(text)
        page.close()
        text = page.text()
    return re.sub(r"\s+", " ", text).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[str] = [""]
        self._dropped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._dropped += 1
        if tag in _BLOCKS or tag in _DROPPED:
            self._blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._dropped = max(0, self._dropped - 1)
        if tag in _BLOCKS or tag in _DROPPED:
            self._blocks.append("")

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self._blocks[-1] += data

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """As a browser reads it: what begins like one and has no name it knows, "<![0", is a comment."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:  # what Python 3.11's parser says of it
            return self.parse_bogus_comment(i)

    def text(self) -> str:
        blocks = [block.strip() for block in self._blocks if block.strip()]
        ended = [block if block[-1] in ".!?:;,…" else block + "." for block in blocks[:-1]]
        return " ".join([*ended, *blocks[-1:]])


# What a seller writes for search and stock, and no picture shows.
_LETTERED = r"(?:[2-6]?x{0,3}(?:s|l|p|g)|pp|gg|xg{1,3}|eg|m|u|plus size)"
_NUMBER = r"\d{1,3}(?:[.,]\d{1,2})?"
_SIZE = rf"(?:{_LETTERED}|{_NUMBER})"
_UNIT = (
    r"(?:mm|cm|m|ml|cl|l|lts?|litros?|liters?|litres?|g|gr|kg|oz|lbs?|inch(?:es)?|in|pol(?:egadas)?|pulgadas"
    r"|\"|”|″|'')"
)
_MEASURE = rf"(?:[lwhdacp]\s*)?\d+(?:[.,]\d+)?\s*{_UNIT}?"


def _flags(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# Each with the words, or the characters, without one of which it is not worth a search: most texts have none.
_NOISE: tuple[tuple[frozenset[str], str, re.Pattern[str]], ...] = (
    # sizes with their label: "size M", "Tam. P/M/G", "numeração 34 ao 40", "talla 42", "one size"
    (
        _words(
            "size sizes tam tamanho tamanhos talla tallas taille tailles größe größen taglia taglie "
            "numeração numeracao n nº unique único única einheitsgröße"
        ),
        "",
        _flags(
            r"(?<!\w)\(?(?:tamanho único|talla única|tam\.? único|one size|taille unique|einheitsgröße)"
            r"(?!\w)\)?",
            r"(?<!\w)\(?(?:sizes?|tam(?:anhos?|\.)?|tallas?|tailles?|größen?|taglie?|taglia|numera(?:ção|cao)"
            rf"|n[º°o]\.?)\s*[:.]?\s*{_SIZE}(?:\s*(?:[-–/,]|ao?|to|e|y|and)\s*{_SIZE})*(?!\w)\)?",
        ),
    ),
    # sizes in brackets: "(P, M, G)", "[42]"
    (
        frozenset(),
        "([",
        _flags(rf"[(\[]\s*{_SIZE}(?:\s*[-–/,]\s*{_SIZE})*\s*[)\]]"),
    ),
    # sizes at the end: " - XL", "/ P/M/G"
    (frozenset(), "-–—|/,", _flags(rf"\s[-–—|/]\s*{_LETTERED}(?:\s*[/,]\s*{_LETTERED})*\s*$")),
    # measures: "30 x 20 cm", "50x70", "500ml", "L 29\" x W 13\""; and codes: "Ref. 1234", "SKU AB-12", "cód:
    # 99"
    (
        frozenset(),
        "0123456789",
        _flags(
            rf"(?<![\w.,])\(?{_MEASURE}(?:\s*[x×]\s*{_MEASURE})+(?!\w)\)?",
            rf"(?<![\w.,])\(?\d+(?:[.,]\d+)?\s*{_UNIT}(?!\w)\)?",
            r"(?<!\w)\(?(?:ref(?:er[eê]ncia|erence)?|sku|c[oó]d(?:igo)?|ean|art(?:\.|ikelnummer)|mpn)\b"
            r"\s*[.:#]?\s*#?[\w./-]*\d[\w./-]*\)?",
            r"(?<!\w)\(?\d+\s*%\s*(?:off|de desconto|de descuento|desconto|discount)(?!\w)!*\)?",
        ),
    ),
    # offers: "frete grátis", "envío gratis", "promoção"
    (
        _words(
            "frete free envío envio versandkostenfrei livraison promo promoção promocao promoción promocion "
            "black best bestseller pronta oferta sale"
        ),
        "",
        _flags(
            r"(?<!\w)\(?(?:frete gr[aá]tis|free shipping|env[ií]o gratis|versandkostenfrei|livraison gratuite"
            r"|promo(?:ção|cao|ción|cion)?|black friday|best ?seller|pronta entrega|oferta|sale)(?!\w)!*\)?"
        ),
    ),
)


def without_noise(text: str, brand: str = "") -> str:
    """`text` without the brand's name, sizes, measures, codes, offers, ornaments and trade marks' signs.

    What would leave nothing, or nothing but punctuation, is not taken out.
    """
    text = _without_ornaments(text)
    if brand.strip():
        text = _unless_nothing_is_left(_brand(brand.strip().casefold()), text)
    words = frozenset(re.findall(r"[^\W\d_]+", text.lower()))
    for keywords, characters, pattern in _NOISE:
        if not words.isdisjoint(keywords) or any(c in text for c in characters):
            text = _unless_nothing_is_left(pattern, text)
    return tidy(text)


_UNTIDY = re.compile(r"\s[,;.!?:)]|[,;:.!?…]\s*[,;:]|[(\[]\s*[)\]]|\s\s|[-–—|/]\s+[-–—|/]|[^\S ]")


def tidy(text: str) -> str:
    """`text` without the separators and brackets that something taken out has left standing."""
    if _UNTIDY.search(text):
        text = re.sub(r"\(\s*\)|\[\s*\]", " ", text)
        text = re.sub(r"\s+([,;.!?:)])", r"\1", text)
        text = re.sub(r"[,;:.!?…](?:\s*[,;:])+", ",", text)
        text = re.sub(r"\s+", " ", text)
        text = re.sub(r"(?:\s[-–—|/])+(?=\s[-–—|/]\s)", "", text)
    return text.strip(" ,;:-–—|/•·")


def summary(text: str, most: int = 160) -> str:
    """The first sentences of a plain text that fit into `most` characters, or else its first words."""
    kept = ""
    for sentence in re.split(r"(?<=[.!?…])\s+", text):
        if len(kept) + len(sentence) >= most:
            break
        kept = f"{kept} {sentence}".strip()
    if kept:
        return kept
    if len(text) <= most:
        return text
    return text[:most].rpartition(" ")[0] or text[:most]


def _unless_nothing_is_left(pattern: re.Pattern[str], text: str) -> str:
    shorter, found = pattern.subn(" ", text)
    if not found:
        return text
    return shorter if sum(c.isalpha() for c in shorter) >= 2 else text


@lru_cache(256)
def _brand(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:\b(?:by|da|de|von|par)\s+)?(?<!\w){re.escape(name)}(?!\w)(?:'s)?", re.IGNORECASE)


def _without_ornaments(text: str) -> str:
    if text.isascii():
        return text
    return "".join(
        " " if unicodedata.category(c) in ("So", "Cs", "Co", "Cn") or c in "™®©\u200b\ufe0f" else c
        for c in text
    )
