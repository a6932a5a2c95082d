"""The plan: which pictures, from which words, under which names; and which rows cannot be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.batch.plan import BatchOptions, Plan, PlannedPicture
from imagegen.errors import InvalidRequest
from imagegen_postprocess import Recipe


def planned(folder: Path, text: str, **options: object) -> list[PlannedPicture]:
    (folder / "p.csv").write_text(text, encoding="utf-8")
    plan = Plan(folder / "p.csv", BatchOptions(**options))  # type: ignore[arg-type]
    pictures = list(plan.pictures())
    assert plan.count() == len(pictures)
    return pictures


def test_a_row_asks_for_its_own_picture(tmp_path: Path) -> None:
    (picture,) = planned(tmp_path, "id;description;prompt;seed;size\nbag;A bag;red bag, front;7;128x96\n")
    request = picture.request
    assert request is not None
    assert (request.prompt, request.seed, request.width, request.height) == ("red bag, front", 7, 128, 96)
    assert [(file.name, file.recipe.width) for file in picture.files] == [("bag.png", 128)]


def test_without_a_seed_the_same_row_gets_the_same_one(tmp_path: Path) -> None:
    first, second, third = planned(tmp_path, "id,description\nbag,A red bag\nhat,A red bag\ncap,A blue bag\n")
    again = planned(tmp_path, "id,description\nsock,Sock\nbag,A red bag\n")[1]
    assert again.request == first.request
    seeds = {picture.request.seed for picture in (first, second, third) if picture.request}
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (",Bag,,", "id: is empty"),
        ("a,,,", "description: is empty"),
        (f"a,{'x' * 40_000},,", "prompt: "),
        ("a,Bag,-1,", "seed: "),
        ("a,Bag,²,", "seed: "),
        (f"a,Bag,{2**32},", "seed: "),
        ("a,Bag,,big", "size: "),
        ("a,Bag,,0x0", "size: "),
        ("a,Bag,,,x", "row: has 5 cells"),
        ("ok,Bag,,", "id: 'ok' is already row 1"),
    ],
)
def test_a_faulty_row_names_its_column_and_spares_the_others(tmp_path: Path, row: str, field: str) -> None:
    ok, faulty, last = planned(
        tmp_path, f"id,description,seed,size\nok,Bag,,\n{row}\nlast,Bag,,\n", variants=1
    )
    assert (ok.error, last.error) == (None, None)
    assert field in str(faulty.error)
    assert (faulty.request, faulty.files, faulty.product.row, faulty.product.line) == (None, (), 2, 3)


SHOPIFY = (
    "Handle,Title,Option1 Name,Option1 Value\ntee,Tee,Color,Red\ntee,,,Blue\ntee,,,Red\ncap,Cap,Size,M\n"
)


def test_one_picture_a_product_or_one_a_colour(tmp_path: Path) -> None:
    assert [picture.prompt for picture in planned(tmp_path, SHOPIFY)] == ["Tee, Red", "Cap"]
    red, blue, cap = planned(tmp_path, SHOPIFY, each_color=True)
    assert [picture.files[0].name for picture in (red, blue, cap)] == [
        "tee-Red.png",
        "tee-Blue.png",
        "cap.png",
    ]
    assert [picture.color for picture in (red, blue, cap)] == ["Red", "Blue", ""]
    assert red.request is not None
    assert blue.request is not None
    assert red.request.seed == blue.request.seed
    with pytest.raises(InvalidRequest, match=r"\{color\}"):
        planned(tmp_path, SHOPIFY, each_color=True, template="{title}")


def test_variants_differ_in_their_seeds_and_names(tmp_path: Path) -> None:
    first, second = planned(tmp_path, "id,description,seed\nbag,Bag,4294967295\n", variants=2)
    assert [picture.request.seed for picture in (first, second) if picture.request] == [2**32 - 1, 0]
    assert [picture.files[0].name for picture in (first, second)] == ["bag.png", "bag-2.png"]
    assert [picture.number for picture in (first, second)] == [1, 2]


def test_presets_decide_formats_names_and_folders(tmp_path: Path) -> None:
    (one,) = planned(tmp_path, "id,description,size\nsofá_2,Sofa,\n", presets=("vtex",))
    assert [(file.name, file.preset) for file in one.files] == [("sof-2.jpg", "vtex")]
    assert one.files[0].recipe == Recipe.from_dict({"preset": "vtex"})
    (both,) = planned(tmp_path, "id,description,size\nbag,Bag,300x200\n", presets=("amazon", "etsy"))
    assert [file.name for file in both.files] == ["amazon/bag.MAIN.jpg", "etsy/bag.jpg"]
    assert [(file.recipe.width, file.recipe.height) for file in both.files] == [(300, 200)] * 2


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"variants": 0}, "variants"),
        ({"variants": 101}, "variants"),
        ({"limit": 0}, "limit"),
        ({"presets": ("nobody",)}, "preset"),
        ({"presets": ("etsy", "etsy")}, "preset"),
    ],
)
def test_options_know_their_limits(options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        BatchOptions(**options)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_limit_takes_products_and_damage_is_a_warning(tmp_path: Path) -> None:
    (picture,) = planned(tmp_path, "id,description\na,T?nis\nb,Bag\n", limit=1)
    assert picture.error is None
    assert "T?nis" in picture.warnings[0]
