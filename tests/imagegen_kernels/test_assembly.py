"""The inline assembly of the GPU kernels, word by word on a CPU: it takes packed bytes apart as `formats`
does."""

import inspect
import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imagegen_kernels.formats import pack_binary, pack_int4, pack_ternary

Words = NDArray[np.uint32]


def assembly_of(module: ModuleType, kernel: str) -> str:
    """What stands in the kernel's source; the module is read, so Triton need not run."""
    body = inspect.getsource(module).split(f"def {kernel}(")[1]
    found = re.search(r'asm="""\{(.*?)\}"""', body, re.DOTALL)
    assert found
    return found[1]


def run(program: str, results: int, inputs: list[Words]) -> list[Words]:
    """The program on vectors of 32-bit words: what `$0` to `$results - 1` hold at its end."""
    place = {f"${results + number}": words for number, words in enumerate(inputs)}

    def value(name: str) -> Words:
        return place[name] if name in place else np.full(inputs[0].shape, int(name, 0), np.uint32)

    for line in filter(None, (part.strip() for part in program.split(";"))):
        operation, _, rest = line.partition(" ")
        if operation == ".reg":
            continue
        target, *names = (name.strip() for name in rest.split(","))
        kind, arguments = operation.split(".")[0], [value(name) for name in names]
        place[target] = STEPS[kind](*arguments)
    return [place[f"${number}"] for number in range(results)]


def prmt(low: Words, high: Words, selector: Words) -> Words:
    """In PTX's default mode: a byte for each of the four lower nibbles, its sign where bit 3 is set."""
    out = np.zeros_like(low)
    for byte in range(4):
        choice = selector >> np.uint32(4 * byte) & np.uint32(0xF)
        which = choice & np.uint32(7)
        word, shift = np.where(which < 4, low, high), 8 * (which & np.uint32(3))
        found = word >> shift & np.uint32(0xFF)
        found = np.where(choice & np.uint32(8) != 0, np.where(found & np.uint32(0x80) != 0, 0xFF, 0), found)
        out |= found.astype(np.uint32) << np.uint32(8 * byte)
    return out


def lop3(a: Words, b: Words, c: Words, table: Words) -> Words:
    out = np.zeros_like(a)
    for place in range(8):
        terms = [word if place >> bit & 1 else ~word for word, bit in ((a, 2), (b, 1), (c, 0))]
        out |= np.where(
            table >> np.uint32(place) & np.uint32(1) != 0, terms[0] & terms[1] & terms[2], 0
        ).astype(np.uint32)
    return out


STEPS: dict[str, Callable[..., Words]] = {
    "prmt": prmt,
    "lop3": lop3,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
}


def words(packed: torch.Tensor) -> Words:
    """Four neighbouring bytes a word, as a packed element of inline assembly is."""
    return packed.contiguous().numpy().reshape(-1).view(np.uint32)


def halves(low: Words, high: Words) -> NDArray[np.uint16]:
    """Two registers of two 16-bit elements each."""
    return np.stack([low, high], axis=-1).reshape(-1).view(np.uint16)


def kernels(op: str) -> ModuleType:
    pytest.importorskip("triton")
    if op == "matmul":
        from imagegen_kernels.matmul import gpu_kernels
    else:
        from imagegen_kernels.weight_only_matmul import gpu_kernels  # type: ignore[no-redef]
    return gpu_kernels


def codes_of(low: int, high: int, columns: int) -> torch.Tensor:
    drawn = torch.randint(low, high + 1, (2, columns), generator=torch.Generator().manual_seed(0))
    return drawn.to(torch.int8)


def test_ternary_bytes_are_looked_up() -> None:
    codes, q = codes_of(-1, 1, 128), 93
    word = words(pack_ternary(codes))
    table = np.full_like(word, q << 8 | (-q & 0xFF) << 24)
    planes = run(assembly_of(kernels("matmul"), "_ternary_planes"), 4, [word, *[table] * 5])
    got = np.stack([plane.view(np.int8).reshape(2, 32) for plane in planes], axis=1).reshape(2, 128)
    assert np.array_equal(got, codes.numpy() * q)


def test_binary_bytes_choose() -> None:
    codes, q = codes_of(0, 1, 128) * 2 - 1, 93
    word = words(pack_binary(codes))
    chosen = [np.full_like(word, (sign * q & 0xFF) * 0x01010101) for sign in (1, -1)]
    planes = run(assembly_of(kernels("matmul"), "_binary_planes"), 8, [word, *chosen])
    got = np.stack([plane.view(np.int8).reshape(2, 16) for plane in planes], axis=1).reshape(2, 128)
    assert np.array_equal(got, codes.numpy() * q)


def test_nibbles_are_looked_up() -> None:
    codes = codes_of(-8, 7, 32)
    word = words(pack_int4(codes))
    table = torch.randint(-127, 128, (16,), dtype=torch.int8, generator=torch.Generator().manual_seed(1))
    quarters = [np.full_like(word, quarter) for quarter in words(table)]
    program = assembly_of(kernels("matmul"), "_int4_planes")
    high, low = run(program, 2, [word, *(quarter for quarter in quarters for _ in range(4))])
    got = np.stack([plane.view(np.int8).reshape(2, 16) for plane in (high, low)], axis=1).reshape(2, 32)
    assert np.array_equal(got, table.numpy()[codes.numpy() & 15])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("kernel", "planes"), [("_ternary", 4), ("_binary", 8)])
def test_one_and_two_bits_become_floats(kernel: str, planes: int, dtype: torch.dtype) -> None:
    codes = codes_of(-1, 1, 128) if planes == 4 else codes_of(0, 1, 128) * 2 - 1
    word = words((pack_ternary if planes == 4 else pack_binary)(codes))
    found = run(assembly_of(kernels("weight_only_matmul"), kernel), 2 * planes, [word])
    each = [halves(*found[2 * n : 2 * n + 2]).reshape(2, -1) for n in range(planes)]
    got = torch.from_numpy(np.concatenate(each, axis=1).view(np.int16)).view(dtype)
    assert torch.equal(got.float(), 2 * codes.float())


@pytest.mark.parametrize(
    ("dtype", "base", "offset"), [(torch.float16, 0x6400, 1032), (torch.bfloat16, 0x4300, 136)]
)
def test_nibbles_become_floats(dtype: torch.dtype, base: int, offset: int) -> None:
    codes = codes_of(-8, 7, 32)
    word = words(pack_int4(codes))
    turned = np.full_like(word, (base | 8) * 0x00010001)
    found = run(assembly_of(kernels("weight_only_matmul"), "_nibbles"), 4, [word, turned, turned])
    each = [halves(*found[:2]).reshape(2, -1), halves(*found[2:]).reshape(2, -1)]
    got = torch.from_numpy(np.concatenate(each, axis=1).view(np.int16)).view(dtype)
    assert torch.equal(got.float() - offset, codes.float())
