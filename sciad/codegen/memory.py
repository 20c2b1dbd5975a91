"""Operations on memory as Python text: buffers, tapes that grow, products, calls of library kernels."""

from __future__ import annotations

from collections.abc import Callable

from sciad.codegen.scalars import strip
from sciad.ir import Op, Value

__all__ = ["Memory", "numpy_name"]


class Memory:
    """The statements of operations with effects on memory, for `Emitter`."""

    name: Callable[[Value], str]
    index: Callable[[Value], str]
    fresh: Callable[[str], str]
    put: Callable[..., None]
    stack: bool
    lasting: set[Value]  # arrays that cannot be on the stack
    used: dict[Value, str]  # tape -> the variable that counts its used entries

    def _load(self, op: Op) -> None:
        buffer, index = op.args
        text = f"{self.name(buffer)}[{self.index(index)}]"
        narrow = buffer.type[1:] not in ("float64", "float32", "int64", "bool")
        self.put(f"{self.name(op.result)} = {f'np.int64({text})' if narrow else text}", op.line)

    def _store(self, op: Op) -> None:
        buffer, index, value = op.args
        self.put(f"{self.name(buffer)}[{self.index(index)}] = {strip(self.name(value))}", op.line)

    def _alloc(self, op: Op) -> None:
        size, zero, dtype = op.args[0], op.attributes["zero"], op.attributes["dtype"]
        name = self.name(op.result)
        fixed = size.constant is not None and size.constant <= 4096
        if self.stack and fixed and dtype == "float64" and op.result not in self.lasting:
            self.put(f"{name} = stack_array({size.constant})", op.line)
            if zero:
                self.put(f"{name}[:] = 0.0")
            return
        make = "zeros" if zero else "empty"
        self.put(f"{name} = {make}({strip(self.name(size))}, np.{numpy_name(dtype)})", op.line)

    def _gemm(self, op: Op) -> None:
        args = [strip(self.name(a)) if a.constant is None else f"as_int({a.constant})" for a in op.args]
        self.put(f"gemm({', '.join(args)}, {op.attributes['accumulate']})", op.line)

    def _call(self, op: Op) -> None:
        self.put(f"linear_kernels.{op.attributes['function']}({', '.join(strip(self.name(a)) for a in op.args)})", op.line)

    def _tape_new(self, op: Op) -> None:
        tape, dtype = op.result, op.attributes["dtype"]
        tape.hint = tape.hint or "tape"
        name = self.name(tape)
        if dtype.startswith("*"):
            self.put(f"{name} = [empty(0, np.{numpy_name(dtype[1:])})]")
            return
        self.used[tape] = self.fresh(name + "_n")
        self.put(f"{name} = empty(256, np.{numpy_name(dtype)})")
        self.put(f"{self.used[tape]} = 0")

    def _tape_reserve(self, op: Op) -> None:
        tape, n = self.name(op.args[0]), self.used[op.args[0]]
        self.put(f"{self.name(op.result)} = {n}")
        self.put(f"{n} += {strip(self.name(op.args[1]))}")
        self.put(f"if {n} > {tape}.size:")
        self.put(f"    {tape} = grown({tape}, {n})")

    def _tape_release(self, op: Op) -> None:
        n = self.used[op.args[0]]
        self.put(f"{n} -= {strip(self.name(op.args[1]))}")
        self.put(f"{self.name(op.result)} = {n}")

    def _tape_put(self, op: Op) -> None:
        tape, index, value = op.args
        self.put(f"{self.name(tape)}[{self.index(index)}] = {strip(self.name(value))}")

    def _tape_get(self, op: Op) -> None:
        self.put(f"{self.name(op.result)} = {self.name(op.args[0])}[{self.index(op.args[1])}]")

    def _tape_push(self, op: Op) -> None:
        self.put(f"{self.name(op.args[0])}.append({self.name(op.args[1])})")

    def _tape_pop(self, op: Op) -> None:
        self.put(f"{self.name(op.result)} = {self.name(op.args[0])}.pop()")


def numpy_name(dtype: str) -> str:
    """What NumPy calls an element type of the IR."""
    return "bool_" if dtype == "bool" else dtype
