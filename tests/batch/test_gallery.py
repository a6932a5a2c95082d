"""The gallery: everything shown, nothing executed, nothing loaded from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen.batch.gallery import Gallery
from imagegen.batch.outcome import COMPLETED, FAILED, MadeFile, Outcome


class Page(HTMLParser):
    """What a browser would find: tags with attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def outcome(
    id: str, description: str, prompt: str, *, file: str | None = None, error: str | None = None, **more: Any
) -> Outcome:
    if file is None:
        return Outcome(2, 3, id, "", description, prompt, FAILED, error=error)
    return Outcome(1, 2, id, "", description, prompt, COMPLETED, seed=5, files=(MadeFile(file),), **more)


def page(path: Path, *outcomes: Outcome, title: str = "products.csv") -> Page:
    with Gallery(title) as gallery:
        for outcome in outcomes:
            gallery.add(outcome)
        gallery.write(path)
    return Page(path.read_text(encoding="utf-8"))


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'"), max_size=30)


@settings(deadline=None)  # a loaded machine is no failure
@given(id=TEXT, description=TEXT, prompt=TEXT, error=TEXT, title=TEXT)
def test_whatever_a_row_says_stays_text(
    tmp_path_factory: pytest.TempPathFactory, id: str, description: str, prompt: str, error: str, title: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "gallery.html"
    plain = page(
        path,
        outcome("a", "b", "c", file="d.png", warnings=("w",), seconds=1.0),
        outcome("", "", "x"),
    )
    made = page(
        path,
        outcome(
            id, description, prompt + "!", file="<d>&#%é.png", warnings=(error,), notes=(prompt,), color=title
        ),
        outcome(id, description, prompt + "!", error=error),
        title=title,
    )
    tags = [tag for tag, _ in made.tags if tag != "i"]
    assert tags.count("figure") == 2
    assert set(tags) <= {tag for tag, _ in plain.tags}
    assert made.all("img")[0]["alt"] == description
    assert unquote(str(made.all("img")[0]["src"])) == "<d>&#%é.png"
    for said in (id, description, prompt, error, title):
        assert said in made.text


def test_pictures_are_beside_the_page_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    made = page(
        tmp_path / "gallery.html",
        outcome("bag", "Red bag", "Red bag", file="bag.png", seconds=0.5),
        outcome("belt", "Belt", "black belt", error="size: is too big"),
    )
    assert [image["src"] for image in made.all("img")] == ["bag.png"]
    assert not made.all("script")
    assert not made.all("link")
    html = (tmp_path / "gallery.html").read_text()
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in made.all("meta")
    assert "size: is too big" in made.text
    assert "black belt" in made.text
    assert "1 picture, 1 failed" in made.text


def test_a_picture_with_several_presets_links_each_of_its_files(tmp_path: Path) -> None:
    files = (MadeFile("amazon/bag.MAIN.jpg", "amazon"), MadeFile("etsy/bag.jpg", "etsy"))
    made = page(
        tmp_path / "g.html", Outcome(1, 2, "bag", "", "Bag", "bag", COMPLETED, color="Red", files=files)
    )
    assert [image["src"] for image in made.all("img")] == ["amazon/bag.MAIN.jpg"]
    assert [link["href"] for link in made.all("a")] == [
        "amazon/bag.MAIN.jpg",
        "amazon/bag.MAIN.jpg",
        "etsy/bag.jpg",
    ]
    assert "Red" in made.text
