"""How wrong a predicted coverage is: cross-entropy with weight on the edges, soft IoU, steps of the edge."""

import torch
from torch import Tensor
from torch.nn import functional

EDGE_WEIGHT = 4.0  # of a pixel at the outline, beside 1 elsewhere
EDGE_REACH = 2  # pixels on either side of it
GLANCE = 0.4  # weight of the coarse answer
STEPS = 2.0  # weight of the differences between neighbours


def cut_out_loss(logits: Tensor, glance: Tensor, alpha: Tensor) -> Tensor:
    """logits, alpha: [B, 1, H, W], alpha in 0..1. glance: coarse logits [B, 1, H / 8, W / 8]."""
    coarse = functional.avg_pool2d(alpha, 8)
    guess = torch.sigmoid(logits)
    steps = _steps(guess, alpha)
    return _segmentation(logits, alpha) + STEPS * steps + GLANCE * _segmentation(glance, coarse)


def _segmentation(logits: Tensor, alpha: Tensor) -> Tensor:
    side = 2 * EDGE_REACH + 1
    high = functional.max_pool2d(alpha, side, 1, EDGE_REACH)
    low = -functional.max_pool2d(-alpha, side, 1, EDGE_REACH)
    weight = 1 + EDGE_WEIGHT * (high - low)
    entropy = (
        functional.binary_cross_entropy_with_logits(logits, alpha, weight, reduction="sum") / weight.sum()
    )
    guess = torch.sigmoid(logits)
    both = (guess * alpha).sum(dim=(1, 2, 3))
    either = (guess + alpha - guess * alpha).sum(dim=(1, 2, 3))
    return entropy + (1 - both / either.clamp(min=1.0)).mean()


def _steps(guess: Tensor, alpha: Tensor) -> Tensor:
    """Mean absolute difference of the horizontal and vertical steps."""
    error = guess - alpha
    across = (error[..., 1:] - error[..., :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return across + down
