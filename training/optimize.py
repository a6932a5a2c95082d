"""The loop every learning phase shares: AdamW or Muon, a moving average, states that survive a kill."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from training.muon import Muon
from training.state import Average, load_state, save_state

log = logging.getLogger(__name__)

WARM_UP_SECONDS = 60
DECAY_FROM = 0.6  # of the phase; constant before, linear to a fiftieth after
SAVE_EVERY = 120  # seconds


def optimize(
    network: nn.Module,
    loss_of_batch: Callable[[torch.Generator, random.Random], torch.Tensor],
    *,
    seconds: int,
    batch: int,
    learning_rate: float,
    ema_halflife: int,
    state_path: Path,
    muon: bool = False,
    shares: Mapping[str, float] | None = None,
    piece: float = float("inf"),
) -> None:
    """AdamW (or Muon), warm-up, linear end. Resumes from `state_path`; `network` ends holding the average.

    shares: of the learning rate, by the first word of a parameter's name, for parts that learnt before.
    piece: seconds after which this call saves and returns, though the phase has not ended.
    """
    parameters = dict(network.named_parameters())
    shares = shares or {}
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(shares.get(name.split(".")[0], 1.0), []).append(parameter)
    optimizer: torch.optim.Optimizer
    if muon:
        optimizer = Muon(parameters.values(), lr=learning_rate)
    else:
        optimizer = torch.optim.AdamW(
            [{"params": group, "share": share} for share, group in groups.items()],
            lr=learning_rate,
            betas=(0.9, 0.95),
            weight_decay=0.01,
            fused=True,
        )
    average = Average(parameters, ema_halflife)
    elapsed, steps, smooth = 0.0, 0, 0.0
    state = load_state(state_path)
    if state is not None:
        network.load_state_dict(state["network"], strict=False)
        optimizer.load_state_dict(state["optimizer"])
        average.values, average.seen = state["average"], state["seen"]
        elapsed, steps, smooth = state["elapsed"], state["steps"], state["smooth"]

    def save() -> None:
        save_state(
            state_path,
            {
                "network": dict(network.named_parameters()),
                "optimizer": optimizer.state_dict(),
                "average": average.values,
                "seen": average.seen,
                "elapsed": elapsed,
                "steps": steps,
                "smooth": smooth,
            },
        )

    generator = torch.Generator().manual_seed(1_000_003 + steps)
    rng = random.Random(steps)
    began = last = saved_at = time.monotonic()
    while elapsed < seconds and last - began < piece:
        rate = learning_rate * _schedule(elapsed, seconds)
        loss = loss_of_batch(generator, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update(parameters, batch)
        steps += 1
        smooth += (loss.item() - smooth) * max(0.01, 1 / steps)
        now = time.monotonic()
        elapsed, last = elapsed + now - last, now
        if steps % 25 == 0:
            log.info("step %d samples %d loss %.4f seconds %d", steps, steps * batch, smooth, elapsed)
        if now - saved_at > SAVE_EVERY:
            save()
            saved_at = now
    save()
    network.load_state_dict(average.values, strict=False)


def _schedule(elapsed: float, seconds: float) -> float:
    progress = elapsed / seconds
    rise = min(1.0, (elapsed + 5) / min(WARM_UP_SECONDS, 0.1 * seconds + 1e-9))
    fall = 1.0 if progress < DECAY_FROM else max(0.02, (1 - progress) / (1 - DECAY_FROM))
    return min(rise, fall)
