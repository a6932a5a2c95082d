"""The pages are served whole, locked down, and load nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import imagegen.web

STATIC = Path(imagegen.web.__file__).parent / "static"


@pytest.mark.parametrize("path", ["/", "/docs", "/static/studio.js", "/static/page.css", "/static/icon.svg"])
def test_a_file_is_served_with_a_strict_policy_and_not_sent_twice(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = http.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert http.head(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/", "/static/nothing.js", "/static/../pages.py", "/static/%2e%2e/pages.py"]
)
def test_nothing_else_is_served(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_no_file_names_another_place(file: Path) -> None:
    text = file.read_text().replace(
        "http://www.w3.org/2000/svg", ""
    )  # the name of a namespace, never fetched
    assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text)
    assert not re.search(r"\bon[a-z]+=|<style|style=|javascript:", text)


def test_every_file_that_a_page_asks_for_is_there(http: httpx.Client) -> None:
    for page in ("/", "/docs"):
        asked = re.findall(r'(?:href|src)="(/[^"]*)"', http.get(page).text)
        assert len(asked) >= 4
        assert [path for path in asked if http.get(path).status_code != 200] == []
