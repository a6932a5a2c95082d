"""GET /v1/recipes: the shipped recipes as their files have them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class RecipeObject(BaseModel):
    id: str
    object: Literal["recipe"] = "recipe"
    recipe: int = Field(description="version of the format")
    title: str
    metadata: str
    steps: list[dict[str, Any]] = Field(description="in order, each with all of its parameters")


class RecipeList(BaseModel):
    object: Literal["list"] = "list"
    data: list[RecipeObject]
