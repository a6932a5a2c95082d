"""What passes are written with: numbers, addresses and loops, which become LLVM's language one by one.

Python's operators on a `Number` write an instruction instead of computing; `Writer` has the rest. Loops go
element by element, and LLVM makes them go by whole registers. Nothing is reordered or fused that is not
written so: an element's bits do not depend on where in a loop it falls. Sums are the exception (`total`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir

F32, F64 = ir.FloatType(), ir.DoubleType()
I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
BYTES = {F32: 4, F64: 8, I8: 1, I16: 2, I32: 4, I64: 8}


def element(kind: ir.Type) -> ir.Type:
    """The type of a number, or of each lane of a vector of them."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def like(kind: ir.Type, of: ir.Type) -> ir.Type:
    """`kind`, or a vector of it where `of` is a vector."""
    return ir.VectorType(kind, of.count) if isinstance(of, ir.VectorType) else kind


def constant(kind: ir.Type, number: float | int) -> ir.Constant:
    """The number, in every lane if `kind` is a vector."""
    exact = single(number) if element(kind) == F32 else number
    return ir.Constant(kind, [exact] * kind.count if isinstance(kind, ir.VectorType) else exact)


def single(number: float) -> float:
    """The nearest float32."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


class Number:
    """A value of one of the types above, or a vector of such values."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    @property
    def is_float(self) -> bool:
        return element(self.value.type) in (F32, F64)

    def _and(self, other: Operand, floats: str, integers: str, *, swapped: bool = False) -> Number:
        pair = [self.value, self._alike(other)]
        write = getattr(self.builder, floats if self.is_float else integers)
        return Number(self.builder, write(*(reversed(pair) if swapped else pair)))

    def _alike(self, other: Operand) -> ir.Value:
        if isinstance(other, Number):
            return other.value
        return constant(self.value.type, other)

    def __add__(self, other: Operand) -> Number:
        return self._and(other, "fadd", "add")

    def __radd__(self, other: Operand) -> Number:
        return self._and(other, "fadd", "add", swapped=True)

    def __sub__(self, other: Operand) -> Number:
        return self._and(other, "fsub", "sub")

    def __rsub__(self, other: Operand) -> Number:
        return self._and(other, "fsub", "sub", swapped=True)

    def __mul__(self, other: Operand) -> Number:
        return self._and(other, "fmul", "mul")

    def __truediv__(self, other: Operand) -> Number:
        return self._and(other, "fdiv", "sdiv")

    def __rtruediv__(self, other: Operand) -> Number:
        return self._and(other, "fdiv", "sdiv", swapped=True)

    def __and__(self, other: Operand) -> Number:
        return self._and(other, "", "and_")

    def __or__(self, other: Operand) -> Number:
        return self._and(other, "", "or_")

    def __xor__(self, other: Operand) -> Number:
        return self._and(other, "", "xor")

    def __lshift__(self, other: Operand) -> Number:
        return self._and(other, "", "shl")

    def __rshift__(self, other: Operand) -> Number:
        """Of a signed number: the sign comes in from above."""
        return self._and(other, "", "ashr")

    def __neg__(self) -> Number:
        return Number(self.builder, self.builder.fneg(self.value))

    def below(self, other: Operand) -> ir.Value:
        """Whether this is less; no for NaN."""
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return compare("<", self.value, self._alike(other))

    def at_least(self, low: Operand) -> Number:
        """The larger of both; NaN stays."""
        return self._chosen(self.below(low), low)

    def at_most(self, high: Operand) -> Number:
        """The smaller of both; NaN stays."""
        return self._chosen(Number(self.builder, self._alike(high)).below(self), high)

    def _chosen(self, other_is: ir.Value, other: Operand) -> Number:
        return Number(self.builder, self.builder.select(other_is, self._alike(other), self.value))

    def as_type(self, to: ir.Type) -> Number:
        """The same number in another type; a float becomes an integer only by the bits of a rounded sum."""
        builder, value = self.builder, self.value
        grows = BYTES[to] > BYTES[element(value.type)]
        if self.is_float:
            write = builder.fpext if grows else builder.fptrunc
        elif to in (F32, F64):
            write = builder.sitofp
        else:
            write = builder.sext if grows else builder.trunc
        return Number(builder, write(value, like(to, value.type)))

    def bits_as(self, to: ir.Type) -> Number:
        """The same bits as another type of that size."""
        return Number(self.builder, self.builder.bitcast(self.value, like(to, self.value.type)))

    def lanes_as(self, to: ir.Type) -> Number:
        """The same bits of a vector as one of more or fewer lanes."""
        kind = self.value.type
        lanes = kind.count * BYTES[kind.element] // BYTES[to]
        return Number(self.builder, self.builder.bitcast(self.value, ir.VectorType(to, lanes)))


Operand = Number | float | int


class Array:
    """Numbers of one type that lie beside each other in memory."""

    def __init__(self, builder: ir.IRBuilder, address: ir.Value, element: ir.Type) -> None:
        self.builder, self.address, self.element = builder, address, element

    def __getitem__(self, place: Number | int) -> Number:
        return Number(self.builder, self.builder.load(self._at(place), typ=self.element))

    def __setitem__(self, place: Number | int, number: Number) -> None:
        self.builder.store(number.value, self._at(place))

    def vector(self, place: Number, lanes: int) -> Number:
        """The numbers from `place` on, as many as there are lanes."""
        kind = ir.VectorType(self.element, lanes)
        return Number(self.builder, self.builder.load(self._at(place), typ=kind, align=BYTES[self.element]))

    def put(self, place: Number, numbers: Number) -> None:
        """Write a vector from `place` on."""
        self.builder.store(numbers.value, self._at(place), align=BYTES[self.element])

    def from_(self, place: Number | int) -> Array:
        """The same array without what is before `place`."""
        return Array(self.builder, self._at(place), self.element)

    def _at(self, place: Number | int) -> ir.Value:
        index = place.value if isinstance(place, Number) else ir.Constant(I64, place)
        return self.builder.gep(self.address, [index], source_etype=self.element)


class Variable:
    """A place for a number that changes."""

    def __init__(self, writer: Writer, start: Number) -> None:
        self.builder = writer.builder
        with self.builder.goto_entry_block():
            self.place = self.builder.alloca(start.value.type)
        self.type = start.value.type
        self.set(start)

    def get(self) -> Number:
        return Number(self.builder, self.builder.load(self.place, typ=self.type))

    def set(self, number: Number) -> None:
        self.builder.store(number.value, self.place)


class Writer:
    """Writes one pass: a function of the address of a job, which `threads.run` describes."""

    def __init__(self, module: ir.Module, name: str) -> None:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.PointerType()]), name)
        self.module, self.function = module, function
        self.builder = ir.IRBuilder(function.append_basic_block())
        self._job = Array(self.builder, function.args[0], I64)

    def integer(self, place: int) -> Number:
        """An int64 argument of the job."""
        return self._job[4 + place]

    def real(self, place: int) -> Number:
        """A float argument of the job, as float32."""
        return self._job[4 + place].bits_as(F64).as_type(F32)

    def array(self, place: int, element: ir.Type) -> Array:
        """A tensor among the job's arguments."""
        address = self.builder.inttoptr(self.integer(place).value, ir.PointerType())
        return Array(self.builder, address, element)

    def room(self, element: ir.Type, size: int) -> Array:
        """Memory of this thread's own, as long as the pass runs."""
        with self.builder.goto_entry_block():
            # By way of a number, for vectors are not written to an address of single numbers.
            place = self.builder.ptrtoint(self.builder.alloca(element, size), I64)
            return Array(self.builder, self.builder.inttoptr(place, ir.PointerType()), element)

    def number(self, value: float | int, kind: ir.Type) -> Number:
        return Number(self.builder, constant(kind, value))

    def spread(self, number: Number, lanes: int) -> Number:
        """A vector with the number in every lane."""
        b, kind = self.builder, ir.VectorType(number.value.type, lanes)
        first = b.insert_element(ir.Constant(kind, ir.Undefined), number.value, ir.Constant(I32, 0))
        return self.shuffled(Number(b, first), Number(b, first), (0,) * lanes)

    def shuffled(self, one: Number, other: Number, lanes: Sequence[int]) -> Number:
        """A vector of lanes of two others, which are counted one behind the other."""
        places = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
        return Number(self.builder, self.builder.shuffle_vector(one.value, other.value, places))

    def zeros(self, kind: ir.Type, lanes: int) -> Number:
        """A vector of zeros."""
        return Number(self.builder, constant(ir.VectorType(kind, lanes), 0))

    def variable(self, start: Number) -> Variable:
        return Variable(self, start)

    @contextmanager
    def rows(self) -> Iterator[Number]:
        """Each row that this thread takes; the pass ends when none is left."""
        with self.runs() as (first, last), self.between(first, last) as row:
            yield row

    @property
    def each(self) -> Number:
        """Rows in a run; the last may have fewer."""
        return self._job[2]

    @contextmanager
    def runs(self) -> Iterator[tuple[Number, Number]]:
        """First and last (exclusive) row of each run that this thread takes."""
        b, job = self.builder, self._job
        count, each = job[1].value, job[2].value
        counter = b.inttoptr(job[0].value, ir.PointerType())
        more, done = b.append_basic_block(), b.append_basic_block()
        b.branch(more)
        b.position_at_end(more)
        first = b.atomic_rmw("add", counter, each, "monotonic")
        work = b.append_basic_block()
        b.cbranch(b.icmp_signed("<", first, count), work, done)
        b.position_at_end(work)
        yield Number(b, first), Number(b, b.add(first, each)).at_most(Number(b, count))
        b.branch(more)
        b.position_at_end(done)

    @contextmanager
    def loop(self, count: Number | int) -> Iterator[Number]:
        """0, 1, 2... below `count`."""
        stop = count if isinstance(count, Number) else self.number(count, I64)
        with self.between(self.number(0, I64), stop) as place:
            yield place

    @contextmanager
    def between(self, first: Number, last: Number) -> Iterator[Number]:
        """`first`... below `last`."""
        b = self.builder
        before = b.block
        head, body, done = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        place = b.phi(I64)
        place.add_incoming(first.value, before)
        b.cbranch(b.icmp_signed("<", place, last.value), body, done)
        b.position_at_end(body)
        yield Number(b, place)
        place.add_incoming(b.add(place, ir.Constant(I64, 1), flags=["nsw"]), b.block)
        b.branch(head)
        b.position_at_end(done)

    def total(self, count: Number | int, of: Callable[[Number], Number]) -> Number:
        """The float32 sum of `of(place)` for each place, in an order that the count alone decides."""
        found = self.variable(self.number(0.0, F32))
        with self.loop(count) as place:
            term = of(place).value
            found.set(Number(self.builder, self.builder.fadd(found.get().value, term, flags=["reassoc"])))
        return found.get()

    def fused(self, x: Operand, y: Number, z: Operand) -> Number:
        """x * y + z, rounded once."""
        return self._call("llvm.fma", y._alike(x), y.value, y._alike(z))

    def root(self, x: Number) -> Number:
        return self._call("llvm.sqrt", x.value)

    def byte_pairs(self, unsigned: Number, signed: Number) -> Number:
        """32 unsigned bytes times 32 signed ones, neighbours added: 16 sums of 16 bits, which saturate."""
        return self._declared(
            "llvm.x86.avx2.pmadd.ub.sw", ir.VectorType(I16, 16), unsigned.value, signed.value
        )

    def short_pairs(self, one: Number, other: Number) -> Number:
        """16 numbers of 16 bits times 16 others, neighbours added: 8 sums of 32 bits."""
        return self._declared("llvm.x86.avx2.pmadd.wd", ir.VectorType(I32, 8), one.value, other.value)

    def signed_like(self, values: Number, signs: Number) -> Number:
        """32 bytes, each negated where the other is negative, 0 where it is 0."""
        return self._declared("llvm.x86.avx2.psign.b", values.value.type, values.value, signs.value)

    def _call(self, name: str, *values: ir.Value) -> Number:
        kind = values[0].type
        lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
        return self._declared(f"{name}.{lanes}{element(kind).intrinsic_name}", kind, *values)

    def _declared(self, name: str, result: ir.Type, *values: ir.Value) -> Number:
        """What LLVM's function of that name gives."""
        called = self.module.globals.get(name)
        if called is None:
            signature = ir.FunctionType(result, [value.type for value in values])
            called = ir.Function(self.module, signature, name)
        return Number(self.builder, self.builder.call(called, values))

    def end(self) -> None:
        self.builder.ret_void()
