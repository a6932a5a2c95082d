"""gallery.html: every picture beside its description, on one page that needs nothing but the pictures.

Plain HTML and CSS: no script, nothing loaded from elsewhere, readable on a phone, light or dark as the
reader's device is.
"""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from imagegen.batch.outcome import COMPLETED, Outcome
from imagegen.store.files import write_atomically

IN_MEMORY = 1 << 22  # bytes of cards kept in memory; a longer page waits in a temporary file


class Gallery:
    """Collects a card for each outcome; `write` puts the page together and moves it into place."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._cards = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed by __exit__
        self._completed = self._failed = 0
        self._seconds = 0.0

    def add(self, outcome: Outcome) -> None:
        if outcome.status == COMPLETED:
            self._completed += 1
        else:
            self._failed += 1
        self._seconds += outcome.seconds or 0.0
        self._cards.write(_card(outcome).encode())

    def write(self, path: Path) -> None:
        """Raises OutputNotWritable."""
        self._cards.seek(0)
        head = _HEAD.format(title=escape(self._title), style=_STYLE, summary=escape(self._summary()))
        write_atomically(path, head.encode() + self._cards.read() + _FOOT.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cards.close()

    def _summary(self) -> str:
        pictures = f"{self._completed:,} picture{'' if self._completed == 1 else 's'}"
        failed = f", {self._failed:,} failed" if self._failed else ""
        each = f", {self._seconds / self._completed:.1f} s each" if self._completed else ""
        return pictures + failed + each


def _card(outcome: Outcome) -> str:
    name, description = escape(outcome.id or f"row {outcome.row}"), escape(outcome.description)
    if not outcome.files:
        shown = f'<p class="error">{escape(outcome.error or outcome.status)}</p>'
        facts = [f"row {outcome.row}", outcome.status]
    else:
        link = quote(outcome.files[0].name)
        shown = f'<a href="{link}"><img src="{link}" alt="{description}" loading="lazy"></a>'
        facts = [outcome.color] if outcome.color else []
        facts += [] if outcome.seconds is None else [f"{outcome.seconds:.2f} s"]
        facts += [f"seed {outcome.seed}"]
    said = f'<p dir="auto">{description or "<i>no description</i>"}</p>'
    if outcome.prompt != outcome.description:
        said += f'<p class="prompt" dir="auto">{escape(outcome.prompt)}</p>'
    if remarks := (*outcome.warnings, *outcome.notes):
        said += f'<p class="warning">{escape("; ".join(remarks))}</p>'
    if len(outcome.files) > 1:
        links = (
            f'<a href="{quote(file.name)}">{escape(file.preset or file.name)}</a>' for file in outcome.files
        )
        said += f'<p class="presets">{" ".join(links)}</p>'
    said += f'<p class="facts"><b>{name}</b>{escape(" · ".join(facts))}</p>'
    return f'<figure><div class="picture">{shown}</div><figcaption>{said}</figcaption></figure>\n'


_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{summary}</p></header>
<main>
"""

_FOOT = """</main>
<footer>Made by imagegen on this machine. These pictures are AI-generated: before you sell with one, compare
it with the real product.</footer>
</body>
</html>
"""

_STYLE = """
:root { --ground: #f4f3f0; --card: #fff; --ink: #1d1c1a; --quiet: #6b6862; --line: #e3e0da;
  --error: #a4262c; --warning: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #161615; --card: #222120; --ink: #efede8; --quiet: #a09c94; --line: #35332f;
    --error: #ff9a94; --warning: #e6b860; }
}
* { box-sizing: border-box; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 3rem); }
header { padding-top: clamp(1.5rem, 5vw, 3.5rem); padding-bottom: 1.5rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2.25rem); font-weight: 650; letter-spacing: -0.02em;
  overflow-wrap: anywhere; }
header p, footer { color: var(--quiet); }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: 1.25rem; }
figure { display: flex; flex-direction: column; overflow: hidden; background: var(--card);
  border: 1px solid var(--line); border-radius: 14px; }
.picture { aspect-ratio: 1; background: #fff; border-bottom: 1px solid var(--line); display: grid; }
.picture a { display: grid; min-height: 0; }
.picture img { width: 100%; height: 100%; object-fit: contain; min-height: 0; }
.error { background: var(--card); color: var(--error); padding: 1.25rem; display: grid; place-content: center;
  text-align: center; overflow-wrap: anywhere; }
figcaption { padding: 0.9rem 1.1rem 1rem; display: flex; flex-direction: column; gap: 0.35rem; flex: 1;
  overflow-wrap: anywhere; }
.prompt { color: var(--quiet); font-style: italic; font-size: 0.9rem; }
.warning { color: var(--warning); font-size: 0.8rem; }
.presets { font-size: 0.8rem; display: flex; flex-wrap: wrap; gap: 0.3rem; }
.presets a { color: inherit; border: 1px solid var(--line); border-radius: 99px; padding: 0.05rem 0.6rem;
  text-decoration: none; }
.presets a:hover { border-color: var(--quiet); }
.facts { color: var(--quiet); font-size: 0.8rem; margin-top: auto; font-variant-numeric: tabular-nums; }
.facts b { color: var(--ink); display: block; font-weight: 600; }
footer { font-size: 0.85rem; padding-top: 2rem; padding-bottom: 3rem; }
"""
