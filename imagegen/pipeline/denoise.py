"""The denoising loop: Euler steps along the velocity that the transformer predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from imagegen.networks.transformer import Modulation, Rotary, Transformer
from imagegen.pipeline.step_graphs import StepGraphs


@dataclass(frozen=True)
class Plan:
    """What every picture of a size, a number of steps, a strength and sizes of references shares: noise
    levels, modulation of each step, positions."""

    sigmas: list[float]
    modulations: list[Modulation]
    rotary: Rotary


def denoise(
    transformer: Transformer,
    latents: Tensor,
    text: Tensor,
    plan: Plan,
    *,
    guidance: float = 1.0,
    empty_text: Tensor | None = None,
    references: Tensor | None = None,
    graphs: StepGraphs | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_clean: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Noise [B, S, C], float32, and text tokens [B, T, width] -> latents of pictures, float32.

    `references` [B, R, C] are tokens of pictures to look at, which stay as they are. `graphs` runs the
    transformer's steps in its place.

    With `guidance` above 1 the step is pushed away from what the empty prompt [1, T, width] gives
    (classifier-free guidance). `on_step(done, total)` is called after each step; what it raises ends the
    loop. `on_clean(done, latents)` before it gets what the noise would leave if the step's velocity held to
    the end: for a straight flow x = (1 - sigma) clean + sigma noise, clean = x - sigma velocity.
    """
    total = len(plan.modulations)
    predict = transformer if graphs is None else graphs
    seen = None if references is None else references.to(transformer.dtype)
    for step, modulation in enumerate(plan.modulations):
        sample = latents.to(transformer.dtype)
        velocity = predict(sample, text, modulation, plan.rotary, seen).float()
        if guidance > 1 and empty_text is not None:
            nothing = empty_text.expand_as(text)
            empty = predict(sample, nothing, modulation, plan.rotary, seen).float()
            velocity = empty + guidance * (velocity - empty)
        latents = latents + (plan.sigmas[step + 1] - plan.sigmas[step]) * velocity
        if on_clean is not None:
            on_clean(step + 1, latents - plan.sigmas[step + 1] * velocity)
        if on_step is not None:
            on_step(step + 1, total)
    return latents
