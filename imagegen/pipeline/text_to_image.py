"""Prompts to pictures with FLUX.2 [klein]: the one method that everything above calls, its steps numbered."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagegen.errors import GenerationFailed, InvalidRequest
from imagegen.pipeline.decode import decode, to_uint8
from imagegen.pipeline.denoise import Plan, denoise
from imagegen.pipeline.latents import noise
from imagegen.pipeline.prompt import encode_prompts
from imagegen.pipeline.schedule import Schedule
from imagegen.weights.load import Components

OnStep = Callable[[int, int], None]
OnPreview = Callable[[int, int, NDArray[np.uint8]], None]

PLANS_KEPT = 8
"""Sizes and step counts whose positions and modulations are kept: a few MB each for a 4B model at
1024x1024."""


KEPT_BYTES = (32 << 20) - (64 << 10)
"""Just below the largest block for which glibc still adapts (DEFAULT_MMAP_THRESHOLD_MAX)."""


@dataclass(frozen=True)
class Generated:
    """One picture, uint8 [H, W, 3] RGB, and what could not be honoured in making it."""

    picture: NDArray[np.uint8]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class GeneratedBatch:
    """Pictures in the order of their prompts; `timings` are seconds of the whole batch by phase: prompt,
    denoise, decode."""

    pictures: list[Generated]
    timings: dict[str, float]


class TextToImage:
    """Keeps what pictures of one size share, so it is meant for one model and one thread."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self._schedule = Schedule.from_config(
            components.scheduler, str(components.card.path / "scheduler" / "scheduler_config.json")
        )
        self._plans: dict[tuple[int, int, int], Plan] = {}
        self._empty_text: Tensor | None = None
        _keep_freed_memory()

    @torch.inference_mode()
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
    ) -> GeneratedBatch:
        """One picture of width x height pixels for each prompt and seed (0..2^32-1).

        A picture depends on its prompt, seed, size and steps alone, not on the batch it rides in.
        `on_step(done, total)` is called after each step; what it raises stops the work. `previews` names for
        places in the batch the steps after which `on_preview(place, done, picture)` gets what that picture
        would be if it went on straight, uint8 [height, width, 3]; each costs a decoding. Raises
        InvalidRequest for a size that the model does not make and GenerationFailed when the numbers overflow.
        """
        card = self.components.card
        if not card.supports(width, height):
            raise InvalidRequest(f"{card.name} does not make {width}x{height} pictures", field="size")
        rows, columns = height // card.multiple, width // card.multiple
        transformer, autoencoder = self.components.transformer, self.components.autoencoder
        clock = _Clock()

        def preview(done: int, clean: Tensor) -> None:
            for place, wanted in (previews or {}).items():
                if on_preview is not None and done in wanted:
                    seen = decode(autoencoder, clean[place : place + 1], rows, columns)
                    on_preview(place, done, to_uint8(seen)[0].cpu().numpy())

        # 1. Encode the prompts.
        encoded = encode_prompts(self.components, prompts)
        text = transformer.embed_text(encoded.embeds)
        clock.lap("prompt")

        # 2. Draw each picture's noise from its own seed.
        latents = noise(seeds, transformer.config.in_channels, rows, columns).to(self.components.device)

        # 3. Denoise, step by step.
        latents = denoise(
            transformer,
            latents,
            text,
            self.plan(rows, columns, steps),
            guidance=card.guidance,
            empty_text=self._empty() if card.guidance > 1 else None,
            on_step=on_step,
            on_clean=preview if previews else None,
        )
        if not torch.isfinite(latents).all():
            raise GenerationFailed(
                f"{card.name} gave numbers that are not finite", hint="try another seed, or float32"
            )
        clock.lap("denoise")

        # 4. Decode latents to pixels.
        pictures = to_uint8(decode(autoencoder, latents, rows, columns)).cpu().numpy()
        clock.lap("decode")
        return GeneratedBatch(
            [
                Generated(picture, warnings)
                for picture, warnings in zip(pictures, encoded.warnings, strict=True)
            ],
            clock.laps,
        )

    def plan(self, rows: int, columns: int, steps: int) -> Plan:
        """What all pictures of rows x columns tokens in that many steps share, kept for the next time."""
        key = (rows, columns, steps)
        if key not in self._plans:
            if len(self._plans) == PLANS_KEPT:
                del self._plans[next(iter(self._plans))]
            transformer, length = self.components.transformer, self.components.card.text_length
            sigmas = self._schedule.sigmas(steps, rows * columns)
            timesteps = (sigmas[:-1] * self._schedule.train_timesteps).to(self.components.device)
            self._plans[key] = Plan(
                sigmas.tolist(), transformer.modulations(timesteps), transformer.rotary(length, rows, columns)
            )
        return self._plans[key]

    def _empty(self) -> Tensor:
        if self._empty_text is None:
            embeds = encode_prompts(self.components, [""]).embeds
            self._empty_text = self.components.transformer.embed_text(embeds)
        return self._empty_text


def _keep_freed_memory() -> None:
    """Have glibc keep up to 64 MB of freed memory instead of giving it back after every layer.

    It does so by itself once a large block was freed. Given back, a picture's largest levels were mapped in
    page by page each time: 6100 page faults, 12 ms of 75 in the starter's decoder. The block is never
    touched, so it costs no memory. Elsewhere than on glibc this does nothing.
    """
    torch.empty(KEPT_BYTES, dtype=torch.uint8)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.laps[phase] = now - self._last
        self._last = now
