"""A row becomes a request, or says which column is at fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegen.batch.product import Product
from imagegen.errors import InvalidRequest
from imagegen_postprocess import Recipe

BAG = Product(1, "bag-1", "A red bag")


def test_a_row_asks_for_its_own_picture() -> None:
    request = replace(BAG, prompt="red bag, front", seed="7", size="128x96").request("starter")
    assert (request.prompt, request.seed, request.width, request.height) == ("red bag, front", 7, 128, 96)
    assert request.model == "starter"


def test_without_a_seed_the_same_row_gets_the_same_one() -> None:
    seed = BAG.request("starter").seed
    assert seed == replace(BAG, row=9).request("starter").seed
    assert seed != replace(BAG, id="bag-2").request("starter").seed
    assert seed != replace(BAG, description="A blue bag").request("starter").seed


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"description": ""}, "description"),
        ({"description": "x" * 40_000}, "prompt"),
        ({"seed": "-1"}, "seed"),
        ({"seed": "²"}, "seed"),
        ({"seed": str(2**32)}, "seed"),
        ({"size": "big"}, "size"),
        ({"size": "0x0"}, "size"),
        ({"fault": "has 3 cells"}, "row"),
    ],
)
def test_a_faulty_row_names_its_column(change: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        replace(BAG, **change).request("starter")  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_rows_size_goes_before_the_recipes() -> None:
    recipe = Recipe.from_dict({"preset": "amazon"})
    own = Product(1, "a", "Cup", size="300x200").request("starter", recipe)
    assert (own.width, own.height) == (300, 200)
    assert own.recipe == replace(recipe, width=None, height=None)
    assert Product(1, "a", "Cup").request("starter", recipe).recipe == recipe
