"""File names: whatever the id, one safe name of its own."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen.batch.file_names import MAX_BYTES, FileNames, safe_stem

ODD = st.text(max_size=300) | st.text(alphabet="aA./\\:*-_ \n\0é", max_size=12)


@settings(deadline=None)  # a loaded machine is no failure
@given(ODD)
def test_a_name_never_leaves_its_folder_and_fits_every_file_system(
    tmp_path_factory: pytest.TempPathFactory, id: str
) -> None:
    name = safe_stem(id) + ".png"
    folder = tmp_path_factory.getbasetemp()
    assert Path(folder, name).resolve().parent == folder.resolve()
    assert not set(name) & set('/\\:*?"<>|')
    assert not name.startswith((".", "-"))
    assert len(name.encode()) <= MAX_BYTES + 8
    assert not any(unicodedata.category(c)[0] in "CZ" for c in name)
    assert safe_stem(safe_stem(id)) == safe_stem(id)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(ODD, max_size=30))
def test_no_name_is_given_twice_even_where_case_does_not_count(ids: list[str]) -> None:
    names = FileNames()
    taken = [names.take(id, ".png").casefold() for id in ids]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("id", "stem"),
    [
        ("SKU-001_b.2", "SKU-001_b.2"),
        ("tênis azul", "tênis-azul"),
        ("靴 赤", "靴-赤"),
        ("जूता", "जूता"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\bags\\red", "C-bags-red"),
        (".hidden", "hidden"),
        ("con", "con-product"),
        ("NUL.txt", "NUL-product"),
        ("???", "product"),
    ],
)
def test_names_stay_readable(id: str, stem: str) -> None:
    assert safe_stem(id) == stem


def test_collisions_are_numbered() -> None:
    names = FileNames()
    taken = [names.take(id, ".png") for id in ("red bag", "red/bag", "RED-BAG", "red-bag-2")]
    assert taken == ["red-bag.png", "red-bag-2.png", "RED-BAG-3.png", "red-bag-2-2.png"]
