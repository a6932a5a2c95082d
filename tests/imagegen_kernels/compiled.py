"""A Triton kernel compiled for a GPU that is not here, and what its machine code holds. The `ptxas`,
`cuobjdump` and `nvdisasm` are those that Triton brings."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

POINTERS = {
    torch.int8: "*i8",
    torch.uint8: "*u8",
    torch.int32: "*i32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.float32: "*fp32",
}
TENSOR_CORE = re.compile(r"[A-Z]{0,4}MMA")
INSTRUCTION = re.compile(r"/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);")
LABEL = re.compile(r"\s*(\.L\w+):")


@dataclass(frozen=True)
class Compiled:
    """What one kernel became."""

    registers: int
    stack: int
    """bytes a thread keeps in memory for want of registers, by `cuobjdump`"""
    shared: int
    """bytes of shared memory a program takes"""
    opcodes: Counter[str]
    loop: Counter[str]
    """opcodes of the innermost loop with the most tensor-core instructions; empty without such a loop"""
    middle: str
    """Triton's own account of layouts, before the machine code"""

    @property
    def tensor_core(self) -> set[str]:
        """Kinds of tensor-core instructions: IMMA, IGMMA, HMMA ..."""
        return {opcode for opcode in self.opcodes if TENSOR_CORE.fullmatch(opcode)}


def compile_for(
    capability: int, kernel: Any, arguments: Mapping[str, Any], warps: int, stages: int, folder: Path
) -> Compiled:
    """`kernel` with these arguments (tensors only lend their dtype), as the first call on such a card would
    compile it: numbers divisible by 16 known to be, 1 a constant."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, constants, attributes = {}, {}, {}
    for place, parameter in enumerate(kernel.params):
        value = arguments[parameter.name]
        plain = not parameter.do_not_specialize
        if parameter.is_constexpr or (plain and type(value) is int and value == 1):
            signature[parameter.name], constants[(place,)] = "constexpr", value
        elif isinstance(value, Tensor):
            signature[parameter.name] = POINTERS[value.dtype]
            attributes[(place,)] = [["tt.divisibility", 16]]
        else:
            signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
            if plain and type(value) is int and value % 16 == 0:
                attributes[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
    target = GPUTarget("cuda", capability, 32)
    built = triton.compile(source, target=target, options={"num_warps": warps, "num_stages": stages})
    cubin = folder / f"{kernel.__name__}.cubin"
    cubin.write_bytes(built.asm["cubin"])
    usage = _tool("cuobjdump", "-res-usage", str(cubin))
    found = re.search(r"REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", usage)
    assert found, usage
    registers, stack, local = map(int, found.groups())
    opcodes, loop = _instructions(_tool("nvdisasm", "-c", str(cubin)))
    return Compiled(registers, stack + local, built.metadata.shared, opcodes, loop, built.asm["ttgir"])


def _tool(name: str, *arguments: str) -> str:
    import triton

    program = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / name
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


def _instructions(listing: str) -> tuple[Counter[str], Counter[str]]:
    """Opcodes of all instructions, and of the loop with the most tensor-core instructions."""
    labels: dict[str, int] = {}
    names: list[str] = []
    jumps: list[tuple[int, str]] = []
    for line in listing.splitlines():
        if label := LABEL.match(line):
            labels[label[1]] = len(names)
        elif instruction := INSTRUCTION.search(line):
            name = instruction[1].split(".")[0]
            if name == "BRA" and (target := re.search(r"\((\.L\w+)\)", instruction[2])):
                jumps.append((len(names), target[1]))
            names.append(name)
    best: Counter[str] = Counter()
    for end, goal in jumps:
        body = Counter(names[labels.get(goal, end) : end + 1])
        if (_tensor_core(body), -body.total()) > (_tensor_core(best), -best.total()) and _tensor_core(body):
            best = body
    return Counter(names), best


def _tensor_core(opcodes: Counter[str]) -> int:
    return sum(count for opcode, count in opcodes.items() if TENSOR_CORE.fullmatch(opcode))


def packs_along_a_row(middle: str) -> bool:
    """Whether every packed inline assembly gets four elements of one row at a time: what a thread holds
    begins with elements 0 to 3 of the last axis."""
    layouts = dict(re.findall(r"^(#\w+) = (#ttg\.\S+<\{.*\}>)$", middle, re.MULTILINE))
    lines = [line for line in middle.splitlines() if "tt.elementwise_inline_asm" in line]
    results = [re.search(r"-> \(?tensor<[^#]*(#\w+)>", line) for line in lines]
    along = (r"register = \[\[0, 1\], \[0, 2\]", r"sizePerThread = \[\d+, (?:4|8|16)\].*order = \[1, 0\]")
    return bool(lines) and all(
        found and any(re.search(pattern, layouts[found[1]]) for pattern in along) for found in results
    )
