"""Noise levels of the denoising steps: diffusers' FlowMatchEulerDiscreteScheduler, as FLUX.2 [klein] uses it.

sigma is the share of noise in the latents: 1 is noise alone, 0 the picture. Knows nothing of networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imagegen.errors import CheckpointInvalid

CLASS = "FlowMatchEulerDiscreteScheduler"

# Without effect here: the shift comes from the fit below, not from the line between base and max.
_INERT = {"base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """`dynamic` shifts by the number of image tokens and steps, otherwise the factor `shift` does."""

    shift: float
    dynamic: bool
    train_timesteps: int = 1000

    @classmethod
    def from_config(cls, config: dict[str, Any], file: str = "scheduler_config.json") -> Schedule:
        """Raises CheckpointInvalid naming each key that asks for something else than this schedule."""
        supported = {
            "_class_name": CLASS,
            "time_shift_type": "exponential",
            "num_train_timesteps": config.get("num_train_timesteps", 1000),
            "shift": config.get("shift", 1.0),
            "use_dynamic_shifting": config.get("use_dynamic_shifting", False),
        }
        refused = [
            f"{key}={value!r}"
            for key, value in config.items()
            if key not in _INERT
            and key != "_diffusers_version"
            and value != supported.get(key)
            and not (key not in supported and value in (None, False))
        ]
        if refused:
            raise CheckpointInvalid(f"{', '.join(sorted(refused))} is not supported", field=file)
        shift, timesteps = supported["shift"], supported["num_train_timesteps"]
        if (
            not isinstance(shift, (int, float))
            or shift <= 0
            or not isinstance(timesteps, int)
            or timesteps < 1
        ):
            raise CheckpointInvalid("shift and num_train_timesteps must be positive numbers", field=file)
        return cls(float(shift), bool(supported["use_dynamic_shifting"]), timesteps)

    def sigmas(self, steps: int, image_tokens: int, strength: float = 1.0) -> Tensor:
        """Noise levels before each step and after the last: float32 [steps + 1], from 1 down to 0.

        `strength` (0..1] is the share of the way that is gone: below 1 the steps begin at the level where
        that much of the unshifted schedule is left. All steps are made: a model of four has none to spare.
        """
        plain = torch.linspace(strength, strength / steps, steps, dtype=torch.float64).float()
        if self.dynamic:
            factor = math.exp(empirical_mu(image_tokens, steps))
            shifted = factor / (factor + (1 / plain - 1))
        else:
            shifted = self.shift * plain / (1 + (self.shift - 1) * plain)
        return torch.cat([shifted, torch.zeros(1)])


def empirical_mu(image_tokens: int, steps: int) -> float:
    """Logarithm of the dynamic shift: Black Forest Labs' fit for FLUX.2, linear in the tokens at 10 and at
    200 steps and between them in the steps; above 4300 tokens the line of 200 steps holds for all."""
    at_10 = 8.73809524e-05 * image_tokens + 1.89833333
    at_200 = 0.00016927 * image_tokens + 0.45666666
    if image_tokens > 4300:
        return at_200
    return at_200 + (at_200 - at_10) / 190.0 * (steps - 200)
