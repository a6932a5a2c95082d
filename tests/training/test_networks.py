"""Our token order and sigmas are those of diffusers' pipeline."""

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinPipeline

from training.networks import SIGMAS, build_scheduler, patchify, unpatchify


def test_tokens_are_ordered_as_the_pipeline_orders_them() -> None:
    latents = torch.randn(2, 32, 16, 16, generator=torch.Generator().manual_seed(0))
    theirs = Flux2KleinPipeline._pack_latents(Flux2KleinPipeline._patchify_latents(latents))
    assert torch.equal(patchify(latents), theirs)
    assert torch.equal(unpatchify(patchify(latents)), latents)


def test_four_steps_run_at_the_trained_sigmas() -> None:
    scheduler = build_scheduler()
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / 4, 4), mu=2.0)
    assert scheduler.sigmas.tolist() == pytest.approx(SIGMAS)
