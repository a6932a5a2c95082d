"""The public face of the package and its account of itself."""

import subprocess
import sys

import pytest

import imagegen_kernels
from imagegen_kernels import card, dispatch


def test_importing_the_account_does_not_import_torch() -> None:
    code = "import sys, imagegen_kernels.dispatch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_an_op_is_a_function_whatever_was_imported_first() -> None:
    import imagegen_kernels.matmul.reference  # binds the submodule, which must not hide the function
    from imagegen_kernels import matmul

    assert callable(matmul)
    assert imagegen_kernels.matmul is matmul
    for op in imagegen_kernels.OPS:
        assert getattr(imagegen_kernels, op).__name__ == op
    assert set(imagegen_kernels.__all__) == {"OPS", *imagegen_kernels.OPS}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_op_gives_an_account(device: str) -> None:
    account = dispatch.describe(device)
    assert [op for op, _, _ in account] == list(imagegen_kernels.OPS)
    for _, implementation, why in account:
        assert implementation in {"int8", "avx2", "cpu", "sdpa", "torch", "triton", "reference"}
        assert len(why) > 10
    if device == "cuda" and card.refusal() is not None:
        assert {name for _, name, _ in account} == {"reference", "sdpa"}


def test_another_device_is_refused() -> None:
    with pytest.raises(ValueError, match="'tpu'"):
        dispatch.describe("tpu")


def test_the_account_of_matmul_is_what_runs() -> None:
    from imagegen_kernels.matmul import avx2, cpu

    expected = "int8" if cpu.is_exact() else "avx2" if avx2.is_exact() else "reference"
    assert dispatch.describe("cpu")[0][1] == expected
