"""The kinds of checkpoint that can be run, by the pipeline class that model_index.json names.

FLUX.2 [klein] is run by our own pipeline; the others by diffusers (pipeline/diffusers_pipeline.py). The
numbers are what each family's makers say where diffusers' own defaults differ (the turbo model of Z-Image),
otherwise diffusers' defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """`defaults` are what imagegen.json may change; `multiple` is pixels of picture side per latent token,
    None where the autoencoder's config says it."""

    architecture: str
    defaults: dict[str, Any]
    multiple: int | None = None
    by_diffusers: bool = True


_KLEIN = {"width": 1024, "height": 1024, "text_length": 512, "text_encoder_out_layers": [9, 18, 27]}
# Of no meaning to diffusers' pipelines, which choose their layers themselves.
_NO_LAYERS = {"text_encoder_out_layers": [0]}
_SQUARE = {"width": 1024, "height": 1024, **_NO_LAYERS}

# What diffusers' Flux2KleinPipeline does when nobody says otherwise; the undistilled base models need
# guidance and many steps.
DISTILLED = {"steps": 4, "guidance": 1.0}
UNDISTILLED = {"steps": 50, "guidance": 4.0}

FAMILIES = {
    "Flux2KleinPipeline": Family("flux2-klein", _KLEIN | UNDISTILLED, by_diffusers=False),
    "StableDiffusion3Pipeline": Family(
        "stable-diffusion-3", {"steps": 28, "guidance": 7.0, "text_length": 256, **_SQUARE}, 16
    ),
    "StableDiffusionXLPipeline": Family(
        "stable-diffusion-xl", {"steps": 50, "guidance": 5.0, "text_length": 77, **_SQUARE}, 8
    ),
    "SanaPipeline": Family("sana", {"steps": 20, "guidance": 4.5, "text_length": 300, **_SQUARE}, 32),
    "ZImagePipeline": Family("z-image", {"steps": 9, "guidance": 1.0, "text_length": 512, **_SQUARE}, 16),
}
"""Class name in model_index.json -> what is run, and how unless imagegen.json says otherwise."""
