"""GET /v1/recipes: the ways of finishing that a request may name."""

from __future__ import annotations

from fastapi import APIRouter

from imagegen.http.schemas.recipes import RecipeList, RecipeObject
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen_postprocess import Recipe, load_recipe, recipe_names, recipe_text, title_of, to_document


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/recipes", tags=["finishing"])

    @routes.get("")
    def list_recipes() -> RecipeList:
        """The recipes that come with imagegen."""
        return RecipeList(data=[_object(name) for name in recipe_names()])

    return routes


def _object(name: str) -> RecipeObject:
    document = to_document(Recipe.from_dict(load_recipe(name)), title_of(recipe_text(name), name))
    return RecipeObject(id=name, **document)
