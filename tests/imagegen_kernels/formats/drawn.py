"""Random weights and codes, the strategies that size them, and patience with a busy machine."""

from __future__ import annotations

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

rows = st.integers(1, 5)
groups = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)

patient = settings(deadline=None, max_examples=50)
"""The first call of an op may take longer than Hypothesis waits."""


def drawn_codes(low: int, high: int, n: int, k: int, seed: int) -> Tensor:
    """int8 codes low..high of shape [n, k]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, (n, k), dtype=torch.int8, generator=generator)


def normal(n: int, k: int, seed: int = 0) -> Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def relative_error(approximate: Tensor, exact: Tensor) -> float:
    return float((approximate.double() - exact.double()).norm() / exact.double().norm())
