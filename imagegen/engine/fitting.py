"""What of a request fits into the memory that is free, decided before anything is loaded.

First the batch becomes smaller, then the text encoder leaves after its work; what does not fit even so is
refused, with the smallest change that would fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from imagegen.errors import OutOfMemory
from imagegen.weights.memory import Needs, memory_needs

Policy = Literal["auto", "keep", "evict"]

SMALLER = (0.75, 0.5, 0.375, 0.25, 0.125)
"""Sides that are tried in place of those that do not fit."""

FEWEST_PIXELS = 64
FORMATS = ("int8", "ternary")


@dataclass(frozen=True, slots=True)
class Fit:
    """`batch` pictures at once, 1 or more; `graphs`: there is room to record steps."""

    batch: int
    keep_text_encoder: bool
    graphs: bool = False


def fit(
    needs: Needs,
    width: int,
    height: int,
    batch: int = 1,
    *,
    free: int | None,
    held: int = 0,
    policy: Policy = "auto",
    more_tokens: int = 0,
    photo: int = 0,
    graphs: int | None = None,
) -> Fit:
    """How up to `batch` pictures of that size are made in `free` bytes (None: as if there were enough),
    beside `held` bytes of the model that are in memory already; `more_tokens` and `photo` are those of
    `Needs.peak`. `graphs` is what recorded steps hold, None where none are to be recorded; that comes last,
    where there is room left.

    Raises OutOfMemory when not even one fits.
    """
    ways = {"auto": (True, False), "keep": (True,), "evict": (False,)}[policy if needs.evictable else "keep"]
    if free is None:
        return Fit(batch, ways[0], graphs is not None)
    room = free + held
    peak = partial(needs.peak, width, height, more_tokens=more_tokens, photo=photo)
    for keep in ways:
        for count in range(batch, 0, -1):
            if peak(count, keep_text_encoder=keep) <= room:
                recorded = graphs is not None and peak(count, keep_text_encoder=keep, graphs=graphs) <= room
                return Fit(count, keep, recorded)
    least = peak(keep_text_encoder=ways[-1])
    raise OutOfMemory(
        f"{needs.card.name} needs {_gb(least)} at {width}x{height}, {_gb(room)} are free",
        field="size",
        hint=_what_would_fit(
            needs, width, height, room, policy, {"more_tokens": more_tokens, "photo": photo}
        ),
    )


def _what_would_fit(
    needs: Needs, width: int, height: int, room: int, policy: Policy, photos: dict[str, int]
) -> str:
    keep = policy == "keep" or not needs.evictable
    found = []
    if needs.evictable and keep and needs.peak(width, height, keep_text_encoder=False, **photos) <= room:
        found.append("IMAGEGEN_TEXT_ENCODER=evict")
    if any(photos.values()) and needs.peak(width, height, keep_text_encoder=keep) <= room:
        found.append("fewer or smaller photos")
    for size in _smaller(needs, width, height):
        if needs.peak(*size, keep_text_encoder=keep, **photos) <= room:
            found.append(f"{size[0]}x{size[1]}")
            break
    for format in FORMATS if needs.dense else ():
        packed = memory_needs(needs.card, {"transformer": format, "text_encoder": "int8"})
        if packed.peak(width, height, keep_text_encoder=keep, **photos) <= room:
            found.append(f"`imagegen models quantize {needs.card.name} --format {format}`")
            break
    if not found:
        return "no smaller picture and no other format would fit: free memory, or take a smaller model"
    return f"{' or '.join(found)} would fit"


def _smaller(needs: Needs, width: int, height: int) -> list[tuple[int, int]]:
    """Sizes that the model makes, largest first, of about the same shape where any is allowed."""
    card = needs.card
    if card.sizes is not None:
        return sorted((s for s in card.sizes if s[0] * s[1] < width * height), key=lambda s: -s[0] * s[1])
    step = max(card.multiple, 16)
    sides = [tuple(int(side * share) // step * step for side in (width, height)) for share in SMALLER]
    return [(w, h) for w, h in sides if min(w, h) >= FEWEST_PIXELS]


def _gb(nbytes: int) -> str:
    return f"{nbytes / 1e9:.1f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.0f} MB"
