"""Adaptive layer normalisation: normalise, scale, shift."""

from __future__ import annotations

from torch import Tensor

from imagegen_kernels.inference import inference
from imagegen_kernels.modulate import cpu, reference


@inference
def modulate(x: Tensor, shift: Tensor, scale: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm(x [B, S, D]) * (1 + scale) + shift -> [B, S, D] in the dtype of x; the norm has no weights.

    shift, scale  [B, 1, D], [1, 1, D] or [D].
    Raises ValueError for shapes that do not fit.
    """
    if x.ndim != 3 or not all(_fits(t, x) for t in (shift, scale)):
        raise ValueError(
            f"modulate needs x [B, S, D] and shift, scale [B, 1, D], [1, 1, D] or [D],"
            f" not {list(x.shape)}, {list(shift.shape)} and {list(scale.shape)}"
        )
    run = cpu.modulate if x.device.type == "cpu" else reference.modulate
    return run(x, shift, scale, eps)


def _fits(vector: Tensor, x: Tensor) -> bool:
    """Whether vector is [B, 1, D], [1, 1, D] or [D] for x [B, S, D]."""
    batch, _, channels = x.shape
    return tuple(vector.shape) in ((batch, 1, channels), (1, 1, channels), (channels,))


def implementation(device: str) -> tuple[str, str]:
    """(name, why) of what `modulate` runs on `device`."""
    if device == "cpu":
        return "cpu", "PyTorch's layer_norm kernel"
    return "reference", "plain PyTorch; no GPU kernel is written yet"
