"""Where rows lie."""

import pytest
import torch
from torch import Tensor

from imagegen_kernels.passes.rows import evenly_spread, spread

X = torch.arange(2 * 5 * 8.0).view(2, 5, 8)


@pytest.mark.parametrize(
    ("x", "apart"),
    [
        (X, 8),
        (X[..., 2:6], 8),
        (X[:1, 2:], 8),
        (X[:1, 2:, :4], 8),
        (X[:, ::2], None),
        (X[:, 1:], None),
        (X[..., ::2], None),
        (X.transpose(1, 2), None),
        (X[0, 0], 8),
        (X[:, :1, :3], 40),
    ],
)
def test_rows_are_evenly_apart_or_not(x: Tensor, apart: int | None) -> None:
    assert spread(x) == apart


@pytest.mark.parametrize("x", [X[:, 1:], X[..., ::2], X[..., 2:6]])
def test_what_is_not_is_copied(x: Tensor) -> None:
    even, apart = evenly_spread(x)
    assert torch.equal(even, x)
    assert spread(even) == apart
