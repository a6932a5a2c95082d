"""Compiled passes on PyTorch's threads."""

from pathlib import Path

import pytest
import torch

from imagegen_kernels import cpu_kernels
from imagegen_kernels import threads as pool


def doubled(rows: int, each: int) -> torch.Tensor:
    """Rows 0, 2, 4, ... by the pass that scales products."""
    sums = torch.arange(rows, dtype=torch.int32).view(-1, 1).repeat(1, 5)
    out = torch.full((rows, 5), torch.nan)
    scales = torch.full((5,), 2.0), torch.ones(rows)
    pool.run(cpu_kernels.finish.address, rows, each, 5, False, 5, sums, *scales, out)
    return out


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("rows", "each"), [(0, 4), (1, 4), (7, 3), (1000, 1)])
def test_every_row_is_done(rows: int, each: int) -> None:
    assert torch.equal(doubled(rows, each), 2.0 * torch.arange(rows).view(-1, 1).expand(rows, 5))


def test_without_pytorchs_pool_the_caller_does_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pool._parallel.cache_clear()
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "__init__.py"))
    try:
        assert pool._parallel() is None
        assert torch.equal(doubled(9, 2), 2.0 * torch.arange(9).view(-1, 1).expand(9, 5))
    finally:
        pool._parallel.cache_clear()


def test_a_job_with_too_many_arguments_is_refused() -> None:
    with pytest.raises(IndexError):
        pool.run(0, 1, 1, *range(pool.JOB - 3))
