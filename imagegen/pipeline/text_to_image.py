"""Prompts, and pictures to start from or to look at, to pictures with FLUX.2 [klein]: the one method that
everything above calls, its steps numbered."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagegen.errors import GenerationFailed, InvalidRequest
from imagegen.networks.autoencoder import Autoencoder
from imagegen.pipeline.decode import decode, sketch, to_uint8
from imagegen.pipeline.denoise import Plan, denoise
from imagegen.pipeline.encode import encode
from imagegen.pipeline.latents import noise, noised
from imagegen.pipeline.prompt import encode_prompts
from imagegen.pipeline.prompt_cache import PromptCache
from imagegen.pipeline.schedule import Schedule
from imagegen.pipeline.step_graphs import CudaRecorder, StepGraphs
from imagegen.weights.load import Components, load_encoder
from imagegen.weights.memory import Needs
from imagegen.weights.preview_file import load_preview_decoder

Pixels = NDArray[np.uint8]
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
    encode (where there are pictures), denoise, decode."""

    pictures: list[Generated]
    timings: dict[str, float]


class TextToImage:
    """Keeps what pictures of one size share, so it is meant for one model and one thread."""

    def __init__(self, components: Components, prompts: PromptCache | None = None) -> None:
        """`prompts` is where embeddings of earlier prompts are found and new ones kept."""
        self.components = components
        self.keep_text_encoder = True
        """False lets it go after each encoding; the next prompt that is not known loads it again."""
        self.keep_graphs = False
        """True records steps as CUDA graphs and keeps them; no effect on a CPU."""
        self._graphs = StepGraphs(
            components.transformer, CudaRecorder() if components.device.type == "cuda" else None
        )
        self._prompts = prompts
        self._preview_decoder = load_preview_decoder(components.card, components.device)
        self._schedule = Schedule.from_config(
            components.scheduler, str(components.card.path / "scheduler" / "scheduler_config.json")
        )
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._encoder: Autoencoder | None = None
        self._empty_text: Tensor | None = None
        _keep_freed_memory()

    def held_bytes(self, needs: Needs) -> int:
        """Of the model's weights what is in memory now and does not count as free; a CPU maps files, whose
        pages do."""
        parts = [needs.transformer, needs.autoencoder]
        if self.components.held_text_encoder.is_held:
            parts.append(needs.text_encoder)
        mapped = sum(part.mapped for part in parts) if self.components.device.type == "cpu" else 0
        return sum(part.nbytes for part in parts) - mapped

    @property
    def graph_bytes(self) -> int:
        """What recorded steps hold; it counts as free, and only further steps can use it."""
        return self._graphs.nbytes

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
        starts: Sequence[Pixels] = (),
        strength: float = 1.0,
        references: Sequence[Sequence[Pixels]] = (),
    ) -> GeneratedBatch:
        """One picture of width x height pixels for each prompt and seed (0..2^32-1).

        `starts` are pictures to begin with instead of noise alone, uint8 RGB [height, width, 3], one for each
        prompt or none: each is noised to the level of `strength` (0..1] and denoised from there, so that of
        it remains the less the higher that is; at 1 nothing does. `references` are for each prompt the
        pictures to look at, uint8 RGB with sides that are multiples of a token's pixels, as many and as large
        for each prompt.

        A picture depends on its prompt, seed, size, steps and own pictures alone, not on the batch it rides
        in.
        `on_step(done, total)` is called after each step; what it raises stops the work. `previews` names for
        places in the batch the steps after which `on_preview(place, done, picture)` gets what that picture
        would be if it went on straight, uint8 [height, width, 3]; each costs a decoding, or next to nothing
        where the model has a preview decoder. Raises
        InvalidRequest for a size that the model does not make and for pictures that it cannot read,
        GenerationFailed when the numbers overflow.
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
                    one = clean[place : place + 1]
                    if self._preview_decoder is not None:
                        seen = sketch(self._preview_decoder, autoencoder, one, rows, columns)
                    else:
                        seen = decode(autoencoder, one, rows, columns)
                    on_preview(place, done, to_uint8(seen)[0].cpu().numpy())

        # 1. Encode the prompts.
        encoded = encode_prompts(self.components, prompts, self._prompts)
        text = transformer.embed_text(encoded.embeds)
        empty_text = self._empty() if card.guidance > 1 else None
        if not self.keep_text_encoder:
            self.components.held_text_encoder.let_go()
        clock.lap("prompt")

        # 2. Encode the pictures to look at and those to start from.
        seen = [torch.cat([self._encoded(each) for each in pictures], dim=1) for pictures in references]
        begun = [self._encoded(picture) for picture in starts] if strength < 1 else []
        if seen or begun:
            clock.lap("encode")

        # 3. Draw each picture's noise from its own seed, and mix it with what the picture starts from.
        grids = [self._grid(picture) for picture in references[0]] if references else []
        plan = self.plan(rows, columns, steps, strength if begun else 1.0, grids)
        latents = noise(seeds, transformer.config.in_channels, rows, columns).to(self.components.device)
        if begun:
            latents = noised(torch.cat(begun), latents, plan.sigmas[0])

        # 4. Denoise, step by step.
        if not self.keep_graphs:
            self._graphs.let_go()
        latents = denoise(
            transformer,
            latents,
            text,
            plan,
            guidance=card.guidance,
            empty_text=empty_text,
            references=torch.cat(seen) if seen else None,
            graphs=self._graphs if self.keep_graphs else None,
            on_step=on_step,
            on_clean=preview if previews else None,
        )
        if not torch.isfinite(latents).all():
            raise GenerationFailed(
                f"{card.name} gave numbers that are not finite", hint="try another seed, or float32"
            )
        clock.lap("denoise")

        # 5. Decode latents to pixels.
        pictures = to_uint8(decode(autoencoder, latents, rows, columns)).cpu().numpy()
        clock.lap("decode")
        return GeneratedBatch(
            [
                Generated(picture, warnings)
                for picture, warnings in zip(pictures, encoded.warnings, strict=True)
            ],
            clock.laps,
        )

    def plan(
        self,
        rows: int,
        columns: int,
        steps: int,
        strength: float = 1.0,
        references: Sequence[tuple[int, int]] = (),
    ) -> Plan:
        """What all pictures of rows x columns tokens in that many steps at that strength share, with
        references of these rows and columns; kept for the next time."""
        key = (rows, columns, steps, strength, tuple(references))
        if key not in self._plans:
            if len(self._plans) == PLANS_KEPT:
                del self._plans[next(iter(self._plans))]
            transformer, length = self.components.transformer, self.components.card.text_length
            sigmas = self._schedule.sigmas(steps, rows * columns, strength)
            timesteps = (sigmas[:-1] * self._schedule.train_timesteps).to(self.components.device)
            self._plans[key] = Plan(
                sigmas.tolist(),
                transformer.modulations(timesteps),
                transformer.rotary(length, rows, columns, references),
            )
        return self._plans[key]

    def _encoded(self, picture: Pixels) -> Tensor:
        """The picture's tokens [1, S, C]. The encoder is loaded with the first picture."""
        if self._encoder is None:
            self._encoder = load_encoder(self.components)
        return encode(self._encoder, picture)

    def _grid(self, picture: Pixels) -> tuple[int, int]:
        """The picture's rows and columns of tokens."""
        height, width = picture.shape[:2]
        return height // self.components.card.multiple, width // self.components.card.multiple

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
