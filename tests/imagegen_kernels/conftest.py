"""What the kernel tests share: memory that shows a value nobody wrote."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def poisoned_memory() -> Iterator[None]:
    """Fill new uninitialised memory with NaN (or the largest integer), so that an unwritten output shows."""
    # Deterministic mode does so unless torch.utils.deterministic.fill_uninitialized_memory is off.
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(params=[2, 7])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run with this many threads: where they cut the work must not change a bit of a sample.

    With these numbers a kernel run over a whole batch does: silu with 2 and 7, complex products with 7.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
