"""A model in memory, by what its card says: our own pipeline, or diffusers'."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from imagegen.pipeline.prompt_cache import PromptCache
from imagegen.pipeline.text_to_image import GeneratedBatch, OnPreview, OnStep, Pixels
from imagegen.weights.catalog import ModelCard
from imagegen.weights.memory import Needs


class Pipeline(Protocol):
    """What the engine asks of a model in memory; `TextToImage` says what each means."""

    keep_text_encoder: bool
    keep_graphs: bool

    @property
    def graph_bytes(self) -> int: ...

    def held_bytes(self, needs: Needs) -> int: ...

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        width: int,
        height: int,
        steps: int,
        on_step: OnStep | None = None,
        previews: Mapping[int, Collection[int]] | None = None,
        on_preview: OnPreview | None = None,
        starts: Sequence[Pixels] = (),
        strength: float = 1.0,
        references: Sequence[Sequence[Pixels]] = (),
    ) -> GeneratedBatch: ...


def open_pipeline(card: ModelCard, device: str = "auto", prompts: PromptCache | None = None) -> Pipeline:
    """The model of `card` on `device` ("auto": cuda where there is one). Raises CheckpointInvalid."""
    if card.by_diffusers:
        from imagegen.pipeline.diffusers_pipeline import DiffusersPipeline

        return DiffusersPipeline(card, device)
    from imagegen.pipeline.text_to_image import TextToImage
    from imagegen.weights.load import load_components

    return TextToImage(load_components(card, device), prompts)
