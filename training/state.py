"""What a phase needs to continue after a kill: written to a temporary file, then renamed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Atomically write a training state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    torch.save(state, draft)
    draft.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state last written, or None at the start."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Average:
    """Exponential moving average of parameters, with its half-life in samples (shorter while young)."""

    def __init__(self, parameters: Mapping[str, torch.Tensor], halflife: int) -> None:
        self.values = {name: value.detach().clone() for name, value in parameters.items()}
        self.halflife = halflife
        self.seen = 0

    @torch.no_grad()
    def update(self, parameters: Mapping[str, torch.Tensor], samples: int) -> None:
        self.seen += samples
        halflife = min(self.halflife, self.seen / 8)
        keep = 0.5 ** (samples / max(halflife, 1e-6))
        targets = list(self.values.values())
        torch._foreach_lerp_(targets, [parameters[name].detach() for name in self.values], 1 - keep)
