"""imagegen recipes: the shipped ways of finishing, and one of them as a file to start from."""

from __future__ import annotations

from typing import Annotated

import typer

from imagegen.cli.json_line import Json, print_json


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="One recipe, printed as a file to make one's own from.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the recipes by which a picture can be finished."""
    from imagegen.cli.table import print_table
    from imagegen.errors import InvalidRequest
    from imagegen_postprocess import (
        FinishingError,
        Recipe,
        load_recipe,
        recipe_names,
        recipe_text,
        title_of,
        to_document,
    )

    try:
        texts = {each: recipe_text(each) for each in (recipe_names() if name is None else [name])}
    except FinishingError as error:
        raise InvalidRequest(error.message, field=error.field, hint=error.hint) from error
    if json:
        documents = {
            each: to_document(Recipe.from_dict(load_recipe(each)), title_of(text, each))
            for each, text in texts.items()
        }
        print_json({"recipes": [{"name": each, **document} for each, document in documents.items()]})
    elif name is not None:
        typer.echo(texts[name], nl=False)
    else:
        rows = [
            [each, ", ".join(load_recipe(each)["steps"]), title_of(text, each)]
            for each, text in texts.items()
        ]
        print_table(["recipe", "steps", "what it makes"], rows)
