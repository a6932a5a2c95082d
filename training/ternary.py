"""Ternary quantisation-aware training: a linear whose forward pass already uses the weights that ship.

Every group of 128 inputs of a row becomes s * {-1, 0, +1} with s in float16. Gradients pass straight through.
"""

import torch
from diffusers import Flux2Transformer2DModel
from torch import nn
from torch.nn import functional

GROUP = 128
THRESHOLD = (
    0.7  # of the mean |w| of a group: near-optimal for Gaussian weights (Ternary Weight Networks, Li 2016)
)


def ternary_parts(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight [N, K] -> codes int8 [N, K/128, 128] in -1..1 and scales float16 [N, K/128].

    The scale is the mean magnitude of the kept weights: least squares for the given codes.
    """
    rows, inputs = weight.shape
    groups = weight.detach().float().reshape(rows, inputs // GROUP, GROUP)
    magnitude = groups.abs()
    kept = magnitude > THRESHOLD * magnitude.mean(dim=-1, keepdim=True)
    scales = (magnitude * kept).sum(-1) / kept.sum(-1).clamp(min=1)
    return (groups.sign() * kept).to(torch.int8), scales.to(torch.float16)


def ternary_weight(weight: torch.Tensor) -> torch.Tensor:
    """The dense float32 [N, K] weight that the packed form stands for."""
    codes, scales = ternary_parts(weight)
    return (codes.float() * scales.float().unsqueeze(-1)).reshape(weight.shape)


class TernaryLinear(nn.Linear):
    """nn.Linear with ternary weights in the forward pass and a float32 master weight behind them.

    Passes without gradients reuse the last ternary weight: between optimizer steps it is the same. (The
    parameter's version counter cannot tell: torch's fused AdamW leaves it as it was.)
    """

    quantised: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.quantised is None or torch.is_grad_enabled():
            self.quantised = ternary_weight(self.weight)
        weight = self.weight + (self.quantised - self.weight).detach()
        return functional.linear(x, weight, self.bias)


def ternary_linears(transformer: Flux2Transformer2DModel) -> dict[str, nn.Linear]:
    """The linears that ship ternary: all of both block lists, and nothing else."""
    return {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear)
        and name.startswith(("transformer_blocks.", "single_transformer_blocks."))
    }


def make_ternary(transformer: Flux2Transformer2DModel) -> None:
    """Turn the block linears into TernaryLinear, in place; parameter names stay."""
    for module in ternary_linears(transformer).values():
        module.__class__ = TernaryLinear
