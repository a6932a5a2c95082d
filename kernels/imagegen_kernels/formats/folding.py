"""Group scales as a float scale a row times a small integer a group.

With q in place of a group's scale, an unpacked code is code * q, still an int8, and the product over the
whole row stays in integers: its one float scale is applied at the end. The price is the rounding of q: for a
weight drawn from a normal distribution, K = 3072, groups of 128, a relative error of 0.25 % for binary and
ternary (q up to 127), 2.6 % for int4 (q up to 15), 4.5 % for int4 with zero points (q up to 8). Heavy tails
(Student t, 5 degrees of freedom) make that 0.8 % for ternary. So int4 is better folded code by code
(matmul/reference.py: 0.7 %), where the unpacked codes are kept anyway.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imagegen_kernels.formats.packed_weight import PackedWeight


def fold_scales(scales: Tensor, limit: int = 127) -> tuple[Tensor, Tensor]:
    """Group scales [N, G], finite and not negative, -> row scale S float32 [N] and q int8 [N, G] in 0..limit.

    S = max over the groups / limit, q = round-half-even(scale / S), scale ~ S * q. `limit` is 127 divided by
    the largest code: 127 for binary and ternary, 15 for int4, 8 for int4 with zero points; then code * q is
    an int8. Raises ValueError for a limit outside 1..127, another shape and other values.
    """
    if not 1 <= limit <= 127:
        raise ValueError(f"the limit of folded scales must be 1..127, not {limit}")
    if scales.ndim != 2 or not scales.numel() or not scales.is_floating_point():
        raise ValueError(
            f"scales to fold must be floating point [N, G], not {scales.dtype} {list(scales.shape)}"
        )
    scales = scales.float()
    if not bool((scales.isfinite() & (scales >= 0)).all()):
        raise ValueError(f"scales to fold, shape {list(scales.shape)}, must be finite and not negative")
    row_scale = scales.amax(dim=-1) / limit
    q = scales / torch.where(row_scale == 0, 1, row_scale).unsqueeze(-1)
    return row_scale, q.round_().clamp_(max=limit).to(torch.int8)


def folding_error(weight: PackedWeight, limit: int = 127) -> float:
    """What `fold_scales` costs this weight: |folded - unfolded| / |unfolded|, Euclidean; 0 for zeros.

    Raises ValueError for a limit outside 1..127 and for one with which code * q is no int8.
    """
    row_scale, q = fold_scales(weight.scales, limit)
    scales, codes = weight.scales.double(), weight.codes.float()
    if (largest := int(codes.abs().max())) * limit > 127:
        raise ValueError(f"codes up to {largest} times folded scales up to {limit} do not fit int8")
    energy = codes.view(*scales.shape, -1).square().sum(dim=-1).double()
    change = row_scale.double().unsqueeze(-1) * q - scales
    whole = float((energy * scales.square()).sum())
    return (float((energy * change.square()).sum()) / whole) ** 0.5 if whole else 0.0
