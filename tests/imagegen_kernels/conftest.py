"""What the kernel tests share: memory that shows a value nobody wrote."""

import sys
from collections.abc import Iterator

import pytest
import torch

from imagegen_kernels.matmul.cpu import is_exact
from imagegen_kernels.matmul.octets import has_avx2


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


@pytest.fixture
def avx2() -> None:
    """Only on CPUs with AVX2, whatever else they have."""
    if not has_avx2():
        pytest.skip("this CPU has no AVX2")


@pytest.fixture(params=["int8", "avx2", "reference"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every way that a convolution can go on this CPU, whichever it would take.

    The test file's OP is its module's name.
    """
    chosen: str = request.param
    if (chosen == "int8" and not is_exact()) or (chosen == "avx2" and not has_avx2()):
        pytest.skip(f"this CPU does not go the way {chosen}")
    op = sys.modules[request.module.OP]
    monkeypatch.setattr(op, "is_exact", lambda: chosen == "int8")
    monkeypatch.setattr(op, "has_avx2", lambda: chosen == "avx2")
    return chosen
