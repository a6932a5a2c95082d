from __future__ import annotations

import pytest
import torch

from imagegen.networks.transformer import Transformer, TransformerConfig
from imagegen.pipeline.denoise import Plan, denoise

SIGMAS = [1.0, 0.75, 0.5, 0.0]


@pytest.fixture(scope="module")
def transformer() -> Transformer:
    torch.manual_seed(1)
    network = Transformer(
        TransformerConfig(
            in_channels=8,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=24,
            axes_dims_rope=(4, 4, 4, 4),
            timestep_guidance_channels=16,
            guidance_embeds=False,
        )
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


def plan_of(transformer: Transformer) -> Plan:
    return Plan(
        SIGMAS, transformer.modulations(torch.tensor(SIGMAS[:-1]) * 1000), transformer.rotary(3, 2, 2)
    )


def test_walks_down_the_noise_levels(transformer: Transformer) -> None:
    plan = plan_of(transformer)
    latents, text = torch.randn(2, 4, 8), torch.randn(2, 3, 32)
    expected = latents
    for step, modulation in enumerate(plan.modulations):
        velocity = transformer(expected, text, modulation, plan.rotary)
        expected = expected + (SIGMAS[step + 1] - SIGMAS[step]) * velocity
    seen: list[tuple[int, int]] = []
    found = denoise(transformer, latents, text, plan, on_step=lambda done, total: seen.append((done, total)))
    torch.testing.assert_close(found, expected)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_what_on_step_raises_stops_the_work(transformer: Transformer) -> None:
    seen = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise(transformer, torch.randn(1, 4, 8), torch.randn(1, 3, 32), plan_of(transformer), on_step=stop)
    assert seen == [1]
