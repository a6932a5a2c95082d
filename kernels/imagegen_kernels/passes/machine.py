"""Turns written passes into machine code of this processor, in memory, and starts them.

The first start of a pass in a process compiles it, 0.05 to 0.1 s of processor time, or finds its code where
an earlier process left it: in `__pycache__` beside this file, if that can be written to.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir
from torch import Tensor

from imagegen_kernels import threads
from imagegen_kernels.passes.code import Writer

FOLDER = Path(__file__).with_name("__pycache__")

DIGEST = hashlib.sha256().digest_size
"""Bytes behind kept code that tell whether it is whole."""

_compiling = threading.Lock()
_kept: list[Any] = []
"""Code is unloaded with the object that owns it."""


class Pass:
    """What `write` writes, over `each` rows at a time."""

    def __init__(self, write: Callable[[Writer], None], each: int) -> None:
        self.write, self.each = write, each
        self.__doc__ = write.__doc__
        self._address = 0

    def __call__(self, rows: int, *arguments: int | float | Tensor, each: int = 0) -> None:
        """Go over that many rows, on all of PyTorch's threads, each of which takes `each` at a time (0: as
        many as the pass usually has)."""
        threads.run(self._address or self._compiled(), rows, each or self.each, *arguments)

    def _compiled(self) -> int:
        with _compiling:
            if not self._address:
                self._address = _load(self.write)
        return self._address


def compiled(each: int) -> Callable[[Callable[[Writer], None]], Pass]:
    """Make a pass of what a function writes; a thread takes `each` rows at a time."""
    return lambda write: Pass(write, each)


@functools.cache
def _machine() -> tuple[Any, str]:
    """The compiler for this processor, and what its code depends on."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=name, features=features, opt=2)
    return machine, f"{llvmlite.__version__} {name} {features}"


def _load(write: Callable[[Writer], None]) -> int:
    machine, processor = _machine()
    module = ir.Module(write.__name__)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    writer = Writer(module, write.__name__)
    write(writer)
    writer.end()
    text = str(module)
    file = FOLDER / f"{write.__name__}-{hashlib.sha256((processor + text).encode()).hexdigest()[:16]}.o"
    code = _kept_code(file)
    if code is None:
        code = machine.emit_object(_improved(text, machine))
        _keep(code, file)
    empty = llvm.parse_assembly("")
    empty.triple = machine.triple
    engine = llvm.create_mcjit_compiler(empty, machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _kept.append(engine)
    return int(engine.get_function_address(write.__name__))


def _improved(text: str, machine: Any) -> Any:
    module = llvm.parse_assembly(text)
    # Longer loops than registers need (interleaving, unrolling) double the time that this takes.
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization, options.slp_vectorization = True, False
    options.loop_unrolling, options.loop_interleaving = False, True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _kept_code(file: Path) -> bytes | None:
    """The code in a file of `_keep`, or None where there is none or it is broken: what is half-written when
    the power goes would be run."""
    try:
        stored = file.read_bytes()
    except OSError:
        return None
    code, digest = stored[:-DIGEST], stored[-DIGEST:]
    return code if hashlib.sha256(code).digest() == digest else None


def _keep(code: bytes, file: Path) -> None:
    try:
        FOLDER.mkdir(exist_ok=True)
        with NamedTemporaryFile(dir=FOLDER, delete=False) as temporary:
            temporary.write(code + hashlib.sha256(code).digest())
        Path(temporary.name).replace(file)
    except OSError:
        return  # the next process compiles it again
