"""`sciad.jit`: functions of the compiled tier, one program for each combination of argument kinds, with its derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from sciad import memo, tape_call, tree
from sciad.backend import digest, entry, load_generated, load_known
from sciad.codegen.module import function_source
from sciad.errors import SciadError, ShapeError, UnsupportedSyntax
from sciad.fast import FastCalls
from sciad.frontend.context import unchanged
from sciad.frontend.lower import Kind, Lowered, kind_of, lower
from sciad.frontend.source import python_function
from sciad.ir import Region, walk
from sciad.passes.forward import pushforward
from sciad.passes.optimise import improve_loops, optimise, with_products
from sciad.passes.pullback import pullback
from sciad.passes.simplify import simplify
from sciad.passes.structure import Structure, writes
from sciad.second_order import SecondOrder
from sciad.specialise import specialised
from sciad.types import is_float
from sciad.verify import verified

__all__ = ["jit", "Jitted", "Program"]


def jit(fun: Callable) -> Jitted:
    """Compile `fun` through sciad and numba; callable as before, natively differentiable, compiled anew for each kind of arguments.

    `fun` is a Python function, lambda or numba function of floats, ints, arrays, and tuples, dicts and dataclasses of them.  Raises
    `UnsupportedSyntax` at the first call where the compiled tier does not take the source.

    >>> import sciad
    >>> sciad.jit(lambda x: x * x)(3.0)
    9.0
    """
    return fun if isinstance(fun, Jitted) else Jitted(fun)


class Jitted:
    """A function that runs compiled."""

    def __init__(self, fun: Callable) -> None:
        plain = python_function(fun)
        if not callable(fun):
            raise TypeError(f"sciad.jit takes a function, not {fun!r}")
        if not isinstance(plain, FunctionType):
            raise UnsupportedSyntax(f"`{fun!r}` is not a Python function", "wrap it in a def or a lambda")
        self.__sciad_function__ = plain
        self.fast = FastCalls(self)
        functools.update_wrapper(self, plain, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and (hit := self.fast.primal(args)) is not None:
            return hit[0]
        args = self.positional(args, kwargs)
        leaves, structure = tree.flatten(args)
        program = self.program(leaves, structure)
        captured = program.captured(self.__sciad_function__)
        if tape_call.traced(leaves, captured):
            return tape_call.record(self, program, leaves, captured)
        return program.call(leaves + captured)

    def positional(self, args: tuple, kwargs: dict[str, Any]) -> tuple:
        """All arguments by position."""
        if not kwargs:
            return args
        import inspect

        bound = inspect.signature(self.__sciad_function__).bind(*args, **kwargs)
        if bound.kwargs:
            raise TypeError(f"`{self.__sciad_function__.__name__}`: keyword-only arguments cannot be passed to a compiled function")
        return bound.args

    def program(self, leaves: list, structure: tree.Structure) -> Program:
        """The program for arguments of these kinds."""
        kinds = tuple(_kind(x, self) for x in leaves)
        function = self.__sciad_function__
        kinds = specialised((function.__code__, structure), kinds, leaves)
        key = (function.__code__, structure, kinds)
        program = next((p for p in _PROGRAMS.get(key, ()) if p.current(function)), None)
        if program is None:
            program = Program(function, structure, kinds)
            _PROGRAMS.setdefault(key, []).append(program)
        program.check_distinct(leaves, function)
        return program


#: Programs by code and kinds of arguments: a closure made anew in each call of another function is lowered once.
_PROGRAMS: dict[tuple, list[Program]] = {}


def _kind(x: Any, owner: Jitted) -> Kind:
    try:
        return kind_of(getattr(x, "__sciad_value__", x))
    except TypeError as error:
        code = owner.__sciad_function__.__code__
        raise UnsupportedSyntax(
            f"argument of `{code.co_name}`: {error}",
            "pass float64, float32, int or bool numbers and arrays",
            filename=code.co_filename,
            line=code.co_firstlineno,
        ) from None


class Program(SecondOrder):
    """One function for arguments of certain kinds: its primal, pullbacks and pushforwards, each compiled when first called.

    It is lowered when something has to be compiled that no earlier process has left in the cache.
    """

    def __init__(self, function: FunctionType, structure: tree.Structure, kinds: tuple[Kind, ...]) -> None:
        self._key = (function, structure, kinds)
        self._lowered: tuple[Lowered, Region] | None = None
        self._primal: Callable | None = None
        self._pullbacks: dict[tuple, Callable] = {}
        self._pushforwards: dict[tuple, tuple] = {}
        found = memo.find(*self._key)
        if found is not None:
            self._adopt(found)
            if self.current(function):
                return
        self._adopt(self._lower())

    def _adopt(self, facts: memo.Facts) -> None:
        self.facts = facts
        self.name, self.filename, self.inputs, self.n_args = facts.name, facts.filename, facts.inputs, facts.n_args
        self.capture_trees, self.guards = facts.capture_trees, facts.guards
        self.outputs, self.structure, self.result_types, self.written = facts.outputs, facts.structure, facts.result_types, facts.written

    def _lower(self) -> memo.Facts:
        """Lower the function, and give its facts."""
        function, structure, kinds = self._key
        lowered = lower(function, structure, list(kinds))
        self.lengths = {n for leaf in [*lowered.leaves, *lowered.captures] for n in leaf.params[1:]}
        body = optimise(verified(lowered.function.body, "lowering"), self.lengths)
        self._lowered = lowered, body
        memory = Structure(body)
        changed = {memory.memory(buffer) for op in walk(body) for buffer in writes(op)}
        written = [bool(leaf.kind.is_array and memory.memory(leaf.params[0]) in changed) for leaf in [*lowered.leaves, *lowered.captures]]
        for leaf, on in zip(lowered.captures, written[len(lowered.leaves) :]):
            if on:
                raise UnsupportedSyntax(
                    f"write into the captured array `{leaf.label}`",
                    "pass it as an argument, or work on a copy",
                    filename=lowered.function.filename,
                )
        return memo.facts_of(lowered, [r.type for r in body.results], written)

    @property
    def body(self) -> Region:
        """The optimised function; after this, `inputs` have their parameters."""
        if self._lowered is None:
            compiled = self.facts.compiled
            self._adopt(self._lower())
            self.facts.compiled = compiled
        assert self._lowered is not None
        return self._lowered[1]

    # -- validity --------------------------------------------------------------------------------------------------------------
    def current(self, root: FunctionType) -> bool:
        """Whether the function, perhaps another closure of the same code, needs no new compilation."""
        if not unchanged(self.guards, root):
            return False
        for capture, structure, first in self.capture_trees:
            leaves, found = tree.flatten(capture.read(root))
            if found != structure:
                return False
            for k, x in enumerate(leaves):
                if kind_of(getattr(x, "__sciad_value__", x)) != self.inputs[self.n_args + first + k].kind:
                    return False
        return True

    def captured(self, root: FunctionType) -> list:
        """The captured leaves as they are now."""
        out: list = []
        for capture, _, _ in self.capture_trees:
            out += tree.flatten(capture.read(root))[0]
        return out

    def check_distinct(self, leaves: list, root: FunctionType) -> None:
        """ShapeError where an array that is written shares memory with another argument or capture: what is copied later does not tell."""
        if any(self.written):
            values = [getattr(x, "__sciad_value__", x) for x in [*leaves, *self.captured(root)]]
            self._check_overlap([x if isinstance(x, np.ndarray) else None for x in values])

    # -- calling ---------------------------------------------------------------------------------------------------------------
    def marshal(self, values: list, copy: bool) -> tuple[list, list[np.ndarray | None]]:
        """Runtime parameters (flat arrays, then unknown lengths) and, for each leaf, the flat array that was passed."""
        params: list = []
        arrays: list[np.ndarray | None] = []
        for leaf, value, written in zip(self.inputs, values, self.written):
            if not leaf.kind.is_array:
                arrays.append(None)
                if leaf.kind.scalar is not None:
                    params.append(value)
                continue
            array = np.asarray(value)
            flat = np.ascontiguousarray(array, leaf.kind.dtype).reshape(-1)
            flat = flat if flat.flags.aligned else flat.copy()
            if written and (copy or not flat.flags.writeable):
                flat = flat.copy() if np.may_share_memory(flat, array) else flat
            arrays.append(flat)
            params.append(flat)
            shape = leaf.kind.shape or ()
            params.extend(n for n, known in zip(array.shape, shape) if known is None)
        self._check_overlap(arrays)
        return params, arrays

    def _check_overlap(self, arrays: list) -> None:
        for k, a in enumerate(arrays):
            if a is None or not self.written[k]:
                continue
            for other, b in enumerate(arrays):
                if other != k and b is not None and np.may_share_memory(a, b):
                    raise ShapeError(
                        f"`{self.name}` writes into `{self.inputs[k].label}`, "
                        f"which shares memory with `{self.inputs[other].label}`; pass a copy"
                    )

    def call(self, values: list) -> Any:
        """Run the primal on argument and captured leaves; arrays that the function writes into are written in place."""
        params, arrays = self.marshal(values, copy=False)
        results = self.primal()(*params)
        for k, flat in enumerate(arrays):
            if self.written[k] and not np.may_share_memory(flat, values[k]):
                if not values[k].flags.writeable:
                    raise ShapeError(f"`{self.name}` writes into `{self.inputs[k].label}`, which is read-only; pass a copy")
                values[k][...] = flat.reshape(values[k].shape)
        return self.unpack(results)

    def primal(self) -> Callable:
        """The compiled function of the runtime parameters."""
        if self._primal is None:
            self._primal = self._compiled("primal", (), lambda: (self.body, None))[0]
        return self._primal

    def unpack(self, results: tuple) -> Any:
        """The user's result from the compiled function's."""
        values = [self._output(o, results) for o in self.outputs]
        return tree.unflatten(self.structure, values)

    def _output(self, o: Any, results: tuple) -> Any:
        if o.kind == "static":
            return o.static
        if o.kind == "complex":
            return complex(results[o.position], results[o.position + 1])
        if o.kind == "scalar":
            value = results[o.position]
            return bool(value) if o.dtype == "b1" else value
        return results[o.position].reshape([n if how == "const" else results[n] for how, n in o.shape])

    # -- derivatives -----------------------------------------------------------------------------------------------------------
    def seeded(self) -> list[int]:
        """Positions (among the IR results) of the float outputs, in order."""
        out = []
        for o in self.outputs:
            if o.kind == "complex":
                raise SciadError(f"`{self.name}` returns a complex number; return its real and imaginary parts")
            if o.position >= 0 and is_float(self.result_types[o.position]):
                out.append(o.position)
        return out

    def scalar_output(self) -> int:
        """The position among the IR results of the one float that the function returns; ShapeError where it returns something else."""
        outputs, where = self.outputs, self.filename
        if len(outputs) != 1 or self.structure.kind != "leaf" or outputs[0].kind != "scalar" or not self.seeded():
            raise ShapeError(
                f"gradient of `{self.name}` ({where}), which does not return one float; return a float, or use sciad.jacobian or sciad.vjp"
            )
        return outputs[0].position

    def source(self, mode: str, wrt: Sequence[int]) -> str:
        """The generated Python of the "primal", or of the "forward" or "reverse" derivative with respect to the leaves `wrt`."""
        if mode == "primal":
            body = self.body
        elif mode == "reverse":
            body = self._reverse_body(wrt, ())
        else:
            body = simplify(self.body)
            body, _ = pushforward(body, [self.inputs[k].params[0] for k in wrt])
        return function_source(body, self._entry_name(mode), self.filename)

    def float_leaves(self) -> list[int]:
        """Positions (among the leaves of the user's result) of the float outputs, in order."""
        self.seeded()
        return [k for k, o in enumerate(self.outputs) if o.position >= 0 and is_float(self.result_types[o.position])]

    def float_values(self, results: tuple) -> list:
        """The float outputs among the compiled function's results, in their shapes."""
        return [self._output(self.outputs[k], results) for k in self.float_leaves()]

    def pullback(self, wrt: Sequence[int], inout: Sequence[int]) -> Callable:
        """Compiled primal and reverse sweep for the given leaves."""
        key = (tuple(wrt), tuple(inout))
        if key not in self._pullbacks:
            self._pullbacks[key] = self._compiled("reverse", key, lambda: (self._reverse_body(*key), None))[0]
        return self._pullbacks[key]

    def _reverse_body(self, wrt: Sequence[int], inout: Sequence[int]) -> Region:
        body = with_products(simplify(self.body), self.lengths, at_any_size=True)
        params = [self.inputs[k].params[0] for k in wrt]
        done = pullback(body, params, self.seeded(), [self.inputs[k].params[0] for k in inout], self.lengths)
        return improve_loops(done, self.lengths)

    def run_pullback(self, values: list, wrt: Sequence[int], inout: Sequence[int], seeds: list, final: list) -> tuple[tuple, list]:
        """Results of the primal and cotangents of the leaves in `wrt`; `final` are cotangents of the contents of `inout` arrays."""
        function = self.pullback(wrt, inout)
        params, arrays = self.marshal(values, copy=True)
        shadows: dict[int, np.ndarray] = {}
        for k in dict.fromkeys([*wrt, *inout]):
            if self.inputs[k].kind.is_array:
                array = arrays[k]
                assert array is not None
                given = final[list(inout).index(k)] if k in inout else None
                shadows[k] = np.zeros_like(array) if given is None else _flat_copy(given, array, self.inputs[k].label)
        results = function(*params, *shadows.values(), *seeds)
        results = results if isinstance(results, tuple) else (results,)
        scalars = iter(results[len(self.result_types) :])
        bars = []
        for k in wrt:
            if self.inputs[k].kind.is_array:
                bars.append(shadows[k].reshape(np.shape(values[k])))
            else:
                bars.append(next(scalars))
        return results, bars

    def run_pushforward(self, values: list, wrt: Sequence[int], tangents: list, inout: Sequence[int]) -> tuple[tuple, list, list]:
        """Results, tangents of the float results, and (contents, tangents) of the `inout` arrays."""
        key = tuple(wrt)
        if key not in self._pushforwards:
            self._pushforwards[key] = self._compiled("forward", key, lambda: self._forward_body(key))
        function, carriers = self._pushforwards[key]
        params, arrays = self.marshal(values, copy=True)
        given = dict(zip(wrt, tangents))
        dots: dict[int, Any] = {}
        for k in carriers:
            if not self.inputs[k].kind.is_array:
                dots[k] = given[k]
            else:
                array = arrays[k]
                assert array is not None
                dots[k] = np.zeros_like(array) if given.get(k) is None else _flat_copy(given[k], array, self.inputs[k].label)
        results = function(*params, *dots.values())
        results = results if isinstance(results, tuple) else (results,)
        n = len(self.result_types)
        finals = []
        for k in inout:
            shape = np.shape(values[k])
            array = arrays[k]
            assert array is not None
            dot = dots[k].reshape(shape) if k in dots else np.zeros(shape, array.dtype)
            finals.append((array.reshape(shape), dot))
        return results[:n], list(results[n:]), finals

    def _forward_body(self, wrt: Sequence[int]) -> tuple[Region, list[int]]:
        """The pushforward, and the leaves whose tangents it takes."""
        body = simplify(self.body)
        done, carriers = pushforward(body, [self.inputs[k].params[0] for k in wrt])
        leaf_of = {leaf.params[0]: k for k, leaf in enumerate(self.inputs) if leaf.params}
        return done, [leaf_of[p] for p in carriers]

    # -- compilation -----------------------------------------------------------------------------------------------------------
    def _entry_name(self, mode: str) -> str:
        return f"{self.name}_{mode}" if self.name.isidentifier() else f"lambda_{mode}"

    def _compiled(self, mode: str, key: tuple, build: Callable[[], tuple[Region, Any]]) -> tuple[Callable, Any]:
        """Machine code of what `build` gives, and what else it gives; both from the cache where an earlier process has left them."""
        known = self.facts.compiled.get((mode, key))
        if known is not None and (module := load_known(*known[:2])) is not None:
            return entry(getattr(module, known[0]), known[2]), known[3]
        body, more = build()
        function, digested = self._compile(body, mode)
        self.facts.compiled[mode, key] = (self._entry_name(mode), digested, [p.type for p in body.params], more)
        assert self._lowered is not None
        memo.keep(*self._key, self._lowered[0], self.facts)
        return function, more

    def _compile(self, body: Region, mode: str) -> tuple[Callable, str]:
        """Machine code of a region, and the hash under which its module is kept."""
        name = self._entry_name(mode)
        source = function_source(body, name, self.filename)
        key = digest(source)
        return entry(getattr(load_generated(source, name, key), name), [p.type for p in body.params]), key


def _flat_copy(value: Any, like: np.ndarray, label: str) -> np.ndarray:
    array = np.asarray(value, like.dtype)
    if array.size != like.size:
        raise ShapeError(f"(co)tangent of `{label}` has {array.size} elements, the argument has {like.size}; give it the argument's shape")
    return array.reshape(-1).copy()
