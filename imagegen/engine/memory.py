"""Memory of the device: how much a picture takes while it is denoised, and giving it back."""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagegen.engine.plan import Plan
    from imagegen.weights.load import Components


def bytes_a_picture(components: Components, plan: Plan) -> int:
    """What one more picture in the batch takes at the widest moment of a step, roughly.

    That is inside a single-stream block, where a token has beside its residual its normed copy, queries,
    keys, values, attention's answer, both halves of the gated MLP's input and what goes into the last
    projection: 7 + 3 r times the width, r being the MLP's ratio. The photos that it looks at are tokens like
    its own. Encoding and decoding are one picture at a time and do not count.
    """
    transformer, card = components.transformer, components.card
    tokens = (plan.width // card.multiple) * (plan.height // card.multiple) + card.text_length
    tokens += sum(rows * columns for rows, columns in plan.reference_grids)
    config = transformer.config
    return int(tokens * config.width * (7 + 3 * config.mlp_ratio) * transformer.dtype.itemsize)


def release_memory() -> None:
    """What Python and torch hold for later goes back: the device's cache, and on glibc the heap's free end,
    which would otherwise stay with the process though a model of gigabytes has left it."""
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
