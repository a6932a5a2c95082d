"""Recorded steps give what steps give, for inputs that change, and step aside when they cannot."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from torch import Tensor

from imagegen.networks.transformer import Transformer, TransformerConfig
from imagegen.pipeline.denoise import Plan, denoise
from imagegen.pipeline.step_graphs import GRAPHS_KEPT, CudaRecorder, Recorded, Run, StepGraphs

SIGMAS = [1.0, 0.75, 0.5, 0.0]


class Player:
    """Plays a card: what is recorded runs again on replay, from the same memory and into the same."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.records, self.replays, self.pools = fault, 0, 0, list[object]()

    def record(self, run: Run, beside: Recorded | None) -> Recorded:
        if self.fault == "refuses":
            raise RuntimeError("operation not permitted when stream is capturing")
        out = run()
        self.records += 1
        self.pools.append(None if beside is None else beside.pool)

        def replay() -> None:
            self.replays += 1
            out.copy_(run() if self.fault != "wrong" else run().neg())

        return Recorded(replay, out.fill_(torch.nan), pool=f"pool {self.records}", nbytes=1000)


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


def picture(
    transformer: Transformer,
    graphs: StepGraphs | None,
    seed: int = 0,
    batch: int = 1,
    photo: bool = False,
    guidance: float = 1.0,
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    modulations = transformer.modulations(torch.tensor(SIGMAS[:-1]) * 1000)
    plan = Plan(SIGMAS, modulations, transformer.rotary(3, 2, 2, [(1, 2)] if photo else ()))
    return denoise(
        transformer,
        torch.randn(batch, 4, 8, generator=generator),
        torch.randn(batch, 3, 32, generator=generator),
        plan,
        guidance=guidance,
        empty_text=torch.zeros(1, 3, 32),
        references=torch.randn(batch, 2, 8, generator=generator) if photo else None,
        graphs=graphs,
    )


@pytest.mark.parametrize("more", [{}, {"photo": True}, {"guidance": 3.0}, {"batch": 2}])
def test_replayed_steps_give_the_same_pictures(transformer: Transformer, more: dict[str, float]) -> None:
    player = Player()
    graphs = StepGraphs(transformer, player)
    for seed in range(2):
        expected = picture(transformer, None, seed, **more)  # type: ignore[arg-type]
        assert torch.equal(picture(transformer, graphs, seed, **more), expected)  # type: ignore[arg-type]
    assert player.records == 1
    assert player.replays == 2 * len(SIGMAS[:-1]) * (2 if "guidance" in more else 1)


def test_a_velocity_is_not_overwritten_by_the_next(transformer: Transformer) -> None:
    graphs = StepGraphs(transformer, Player())
    rotary, modulation = transformer.rotary(3, 2, 2), transformer.modulations(torch.tensor([500.0]))[0]
    latents, text = torch.randn(3, 1, 4, 8), torch.randn(1, 3, 32)
    kept = [graphs(one, text, modulation, rotary) for one in latents]
    for one, velocity in zip(latents, kept, strict=True):
        assert torch.equal(velocity, transformer(one, text, modulation, rotary))


def test_few_shapes_are_kept_and_share_a_pool(transformer: Transformer) -> None:
    player = Player()
    graphs = StepGraphs(transformer, player)
    for batch in range(1, GRAPHS_KEPT + 2):
        picture(transformer, graphs, batch=batch)
    assert len(graphs._kept) == GRAPHS_KEPT
    assert player.pools == [None, *(["pool 1"] * (GRAPHS_KEPT - 1)), "pool 2"]
    assert graphs.nbytes == 1000 * (GRAPHS_KEPT + 1)
    picture(transformer, graphs, batch=GRAPHS_KEPT + 1)
    assert player.records == GRAPHS_KEPT + 1, "the newest is kept"
    picture(transformer, graphs, batch=1)
    assert player.records == GRAPHS_KEPT + 2, "the oldest was not"
    graphs.let_go()
    assert graphs.nbytes == 0
    picture(transformer, graphs)
    assert (player.pools[-1], graphs.nbytes) == (None, 1000)


@pytest.mark.parametrize(
    ("fault", "said"), [("refuses", "operation not permitted"), ("wrong", "something else than the step")]
)
def test_what_cannot_be_recorded_runs_as_it_is_and_says_so_once(
    fault: str, said: str, transformer: Transformer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    graphs = StepGraphs(transformer, Player(fault))
    for batch in (1, 2):
        expected = picture(transformer, None, batch=batch)
        assert torch.equal(picture(transformer, graphs, batch=batch), expected)
    (message,) = caplog.messages
    assert said in message
    assert graphs.nbytes == 0


def test_a_step_that_overflows_is_not_recorded(
    transformer: Transformer, caplog: pytest.LogCaptureFixture
) -> None:
    player = Player()
    graphs = StepGraphs(transformer, player)
    rotary, modulation = transformer.rotary(3, 2, 2), transformer.modulations(torch.tensor([500.0]))[0]
    assert graphs(torch.full((1, 4, 8), torch.nan), torch.randn(1, 3, 32), modulation, rotary).isnan().all()
    assert (player.records, caplog.messages) == (0, [])
    picture(transformer, graphs)
    assert player.records == 1


def test_without_a_recorder_nothing_is_recorded(transformer: Transformer) -> None:
    graphs = StepGraphs(transformer, None)
    assert torch.equal(picture(transformer, graphs), picture(transformer, None))
    assert not graphs._kept


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_card_replays_what_it_recorded(transformer: Transformer, caplog: pytest.LogCaptureFixture) -> None:
    network = copy.deepcopy(transformer).cuda()
    graphs, rotary = StepGraphs(network, CudaRecorder()), network.rotary(3, 2, 2)
    modulations = network.modulations(torch.tensor([900.0, 300.0], device="cuda"))
    for batch in (1, 2, 1):
        for modulation in modulations:
            inputs = torch.randn(batch, 4, 8).cuda(), torch.randn(batch, 3, 32).cuda(), modulation, rotary
            with torch.inference_mode():
                torch.testing.assert_close(graphs(*inputs), network(*inputs), rtol=1e-4, atol=1e-4)
    assert not caplog.messages
    assert len(graphs._kept) == 2
    assert graphs.nbytes > 0
