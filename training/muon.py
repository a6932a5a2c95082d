"""Muon for convolutions: each weight's momentum, as a matrix [outputs, inputs x window], made orthogonal.

Jordan et al. 2024, with the scale of Liu et al. 2025 (0.2 sqrt(longer side)), so that AdamW's learning rates
fit. Vectors and narrow matrices take Adam. torch.optim.Muon does the same for matrices only.
"""

from collections.abc import Iterable

import torch
from torch import nn

MOMENTUM = 0.95
ADAM_BETAS = (0.9, 0.95)
NARROW = 16  # a weight with fewer outputs or inputs than this has no spectrum worth levelling
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
STEPS = 5


class Muon(torch.optim.Optimizer):
    """No weight decay: it is for phases of minutes."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(list(parameters), {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                wide = parameter.ndim > 1 and min(parameter.shape[:2]) >= NARROW
                update = self._muon(parameter) if wide else self._adam(parameter)
                parameter.add_(update, alpha=-group["lr"])

    def _muon(self, parameter: torch.Tensor) -> torch.Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        momentum: torch.Tensor = state.setdefault("momentum", torch.zeros_like(parameter))
        momentum.mul_(MOMENTUM).add_(gradient)
        matrix = gradient.add(momentum, alpha=MOMENTUM).flatten(1)
        return orthogonal(matrix).mul_(0.2 * max(matrix.shape) ** 0.5).reshape(parameter.shape)

    def _adam(self, parameter: torch.Tensor) -> torch.Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        mean: torch.Tensor = state.setdefault("mean", torch.zeros_like(parameter))
        square: torch.Tensor = state.setdefault("square", torch.zeros_like(parameter))
        steps: int = state.get("steps", 0) + 1
        state["steps"] = steps
        mean.lerp_(gradient, 1 - ADAM_BETAS[0])
        square.lerp_(gradient.square(), 1 - ADAM_BETAS[1])
        deviation = (square / (1 - ADAM_BETAS[1] ** steps)).sqrt_().add_(1e-8)
        return mean / (deviation * (1 - ADAM_BETAS[0] ** steps))


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """[m, n] float32 -> the same singular vectors with singular values of about 0.7..1.2 (Newton-Schulz)."""
    a, b, c = NEWTON_SCHULZ
    x: torch.Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
