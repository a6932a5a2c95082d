"""Prompts to pictures with diffusers' own pipelines, their blocks' linears on our packed ones.

For families that have no network of their own here (weights/families.py). Everything above sees the same
surface as that of `TextToImage`. Nothing is fetched: classes are diffusers' and transformers' own, weights
are safetensors in the model's folder.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imagegen.errors import CheckpointInvalid, GenerationFailed, InvalidRequest
from imagegen.networks.quantize_module import Report, quantize_module
from imagegen.pipeline.text_to_image import Generated, GeneratedBatch, OnPreview, OnStep, Pixels
from imagegen.weights.catalog import ModelCard
from imagegen.weights.load import SMALL_NETWORK, device_of
from imagegen.weights.locate import read_json
from imagegen.weights.memory import Needs

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

log = logging.getLogger(__name__)

DENOISERS = ("transformer", "unet")
LIBRARIES = ("diffusers", "transformers")
ABSENT = ("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor")
FORMATS = ("int8", "int4", "keep")
_BLOCKS = re.compile(r"(blocks|layers|attentions|context_refiner|noise_refiner)\.")


class DiffusersPipeline:
    """One model on one device, for one thread. Its pictures are made one by one: diffusers' networks give
    other bits in a batch."""

    def __init__(self, card: ModelCard, device: str = "auto") -> None:
        """Loads the model; `"linears"` in its imagegen.json ("int8", "int4" or "keep") says what becomes of
        the linears of its denoiser's blocks.

        Raises CheckpointInvalid naming the file that is missing, broken or asks for foreign code.
        """
        self.card = card
        self.keep_text_encoder = True
        self.keep_graphs, self.graph_bytes = False, 0  # diffusers' steps are not recorded
        """Part of the surface; these pipelines keep theirs, and the plan of memory counts on that."""
        self._device = device_of(device)
        self._pipeline = _load(card, self._device)
        self.report = _packed(card, self._pipeline)
        """What became of the denoiser's linears; None where they were kept."""

    def held_bytes(self, needs: Needs) -> int:
        """Of the model's weights what is in memory now: all of them."""
        return needs.weights

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
        """As `TextToImage.generate`, of words alone: InvalidRequest for pictures to start from or to look at.
        `previews` are not shown, and the pictures' warnings say so."""
        card = self.card
        if starts or references:
            raise InvalidRequest(f"{card.name} makes pictures from words only", field="image")
        if not card.supports(width, height):
            raise InvalidRequest(f"{card.name} does not make {width}x{height} pictures", field="size")
        pictures, started = [], time.perf_counter()
        for place, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            told = _told(on_step, place * steps, len(prompts) * steps)
            with _quietly():  # a prompt that is too long is in diffusers' warning
                pixels = self._picture(prompt, seed, width, height, steps, told)
                warnings = self._cut(prompt)
            if (previews or {}).get(place):
                warnings += (f"{card.name} shows no picture before it is done",)
            pictures.append(Generated(pixels, warnings))
        return GeneratedBatch(pictures, {"denoise": time.perf_counter() - started})

    def _picture(
        self, prompt: str, seed: int, width: int, height: int, steps: int, on_step: Callable[[int], None]
    ) -> Pixels:
        def step(pipeline: object, index: int, timestep: object, tensors: dict[str, Any]) -> dict[str, Any]:
            on_step(index + 1)
            return tensors

        options: dict[str, Any] = (
            {"use_resolution_binning": False} if self.card.architecture == "sana" else {}
        )
        if self.card.architecture in ("sana", "z-image", "stable-diffusion-3"):
            options["max_sequence_length"] = self.card.text_length
        made = self._pipeline(
            prompt=prompt,
            width=width,
            height=height,
            num_inference_steps=steps,
            guidance_scale=self.card.guidance,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
            callback_on_step_end=step,
            **options,
        ).images[0]
        if not np.isfinite(made).all():
            raise GenerationFailed(
                f"{self.card.name} gave numbers that are not finite", hint="try another seed"
            )
        return np.asarray((made * 255).round(), dtype=np.uint8)

    def _cut(self, prompt: str) -> tuple[str, ...]:
        """A warning where every text encoder reads less than the whole prompt."""
        lost = []
        for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
            if (tokenizer := getattr(self._pipeline, name, None)) is not None:
                length = min(self.card.text_length, int(tokenizer.model_max_length))
                lost.append(len(tokenizer(prompt).input_ids) - length)
        cut = min(lost, default=0)
        if cut <= 0:
            return ()
        return (f"the prompt is {cut} tokens too long for {self.card.name}: its end was left out",)


def _told(on_step: OnStep | None, before: int, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if on_step is not None:
            on_step(before + done, total)

    return tell


def _load(card: ModelCard, device: torch.device) -> DiffusionPipeline:
    import diffusers

    index_file = card.path / "model_index.json"
    index = read_json(index_file)
    for name, kind in index.items():
        if isinstance(kind, list) and kind[0] not in (*LIBRARIES, None):
            raise CheckpointInvalid(
                f"{name} asks for code of {kind[0]!r}, which is not run",
                field=str(index_file),
                hint=f"only classes of {' and '.join(LIBRARIES)} are",
            )
    small = 4 * sum(path.stat().st_size for path in card.path.glob("*/*.safetensors")) // 2 <= SMALL_NETWORK
    dtype = torch.float32 if device.type == "cpu" and small else torch.bfloat16
    with _quietly():
        try:
            kind = getattr(diffusers, index["_class_name"])
            parts = inspect.signature(kind.__init__).parameters
            pipeline = kind.from_pretrained(
                card.path,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                low_cpu_mem_usage=False,
                # Left out on purpose, as many do with Stable Diffusion 3's largest text encoder.
                **{
                    name: None for name in parts if index.get(name) in (None, [None, None]) and name in ABSENT
                },
                **({"add_watermarker": False} if card.architecture == "stable-diffusion-xl" else {}),
            )
        # Whatever is wrong with the files, and diffusers says it in many ways.
        except Exception as error:
            raise CheckpointInvalid(str(error), field=str(card.path)) from error
        pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _packed(card: ModelCard, pipeline: DiffusionPipeline) -> Report | None:
    own = card.path / "imagegen.json"
    format = read_json(own).get("linears", "int8") if own.is_file() else "int8"
    if format not in FORMATS:
        raise CheckpointInvalid(f"{format!r} is none of {', '.join(FORMATS)}", field=f"{own}: linears")
    network = next(
        (found for name in DENOISERS if (found := getattr(pipeline, name, None)) is not None), None
    )
    if format == "keep" or network is None:
        return None
    linears = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    # What stands outside of the blocks, and what modulates them, is small and matters most.
    kept = [name for name in linears if not _BLOCKS.search(name) or "norm" in name or "time" in name]
    report = quantize_module(network, "int4" if format == "int4" else "int8", skip=kept)
    log.info("%s: %s", card.name, report)
    return report


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Both libraries draw bars and give advice on the terminal."""
    import diffusers
    import transformers

    libraries = (diffusers.utils.logging, transformers.utils.logging)
    levels = [library.get_verbosity() for library in libraries]
    shown = [library.is_progress_bar_enabled() for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, was_shown in zip(libraries, levels, shown, strict=True):
            library.set_verbosity(level)
            if was_shown:
                library.enable_progress_bar()
