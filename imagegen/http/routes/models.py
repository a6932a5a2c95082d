"""GET /v1/models and /v1/models/{id}: the models that requests may name."""

from __future__ import annotations

from fastapi import APIRouter

from imagegen.errors import ModelNotFound
from imagegen.http.schemas.models import Model, ModelDetails, ModelList
from imagegen.settings import Settings
from imagegen.studio import Studio
from imagegen.weights.catalog import ModelCard, find_model


def served_models(studio: Studio, settings: Settings) -> dict[str, ModelCard]:
    """Model name -> card: the server's own one, which may be a path, then every other that is installed.

    A request names one of these. It can not name a path: a caller must not choose which files this process
    opens.
    """
    own = find_model(settings.model, settings.models_dir)
    return {own.name: own} | {card.name: card for card in studio.models() if card.name != own.name}


def served_model(name: str | None, studio: Studio, settings: Settings) -> ModelCard:
    """The card of that name; the server's own model for None. Raises ModelNotFound listing what there is."""
    if name is None:
        return find_model(settings.model, settings.models_dir)
    models = served_models(studio, settings)
    if name not in models:
        raise ModelNotFound(
            f"there is no model {name!r} here", field="model", hint="installed: " + ", ".join(sorted(models))
        )
    return models[name]


def router(studio: Studio, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    @routes.get("")
    def list_models() -> ModelList:
        """The installed models, as OpenAI lists its own; the server's own one first."""
        return ModelList(data=[_model(card) for card in served_models(studio, settings).values()])

    @routes.get("/{model}")
    def retrieve_model(model: str) -> Model:
        """One model."""
        return _model(served_model(model, studio, settings))

    return routes


def _model(card: ModelCard) -> Model:
    return Model(
        id=card.name,
        created=int(card.path.stat().st_mtime),
        owned_by=card.source or "imagegen",
        imagegen=ModelDetails(
            architecture=card.architecture,
            licence=card.licence,
            source=card.source,
            steps=card.steps,
            size=f"{card.width}x{card.height}",
            sizes=None if card.sizes is None else [f"{width}x{height}" for width, height in card.sizes],
            multiple=card.multiple,
            references=card.references,
            disk_bytes=card.disk_bytes,
        ),
    )
