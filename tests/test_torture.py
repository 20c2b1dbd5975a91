"""Small functions that are hard to differentiate: value, reverse and forward mode against CPython, twice in a row, arguments untouched."""

from __future__ import annotations

import inspect
import types
from pathlib import Path

import numpy as np
import pytest
import torture.arrays
import torture.control
import torture.functions
import torture.mixed
import torture.numbers
from fuzz.step import MATH, NUMPY, H, Step
from interpret import interpreted
from torture import CASES, Case

import sciad
from sciad import tree, verify

#: One of each kind also goes through numba; the others are interpreted (tests/interpret.py).
COMPILED = {
    "ping_pong", "buffer_chosen_by_a_condition", "scatter_with_repeats", "masks_made_in_a_loop", "vectors_allocated_in_a_loop",
    "linear_solves",
    "symmetric_factorisations", "insertion_sort_in_place", "return_from_two_loops", "dict_of_parameters", "single_precision_array",
    "complex_loop", "integers_mix_with_floats", "all_of_elementwise", "all_of_math",
    "special_functions", "product_operand_overwritten", "float_remainder",
}  # fmt: skip


def copied(args: tuple) -> tuple:
    leaves, structure = tree.flatten(args)
    return tree.unflatten(structure, [x.copy() if isinstance(x, np.ndarray) else x for x in leaves])


def is_float(x) -> bool:
    return isinstance(x, (float, np.floating)) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


def floats_of(value) -> list:
    """All floats of a result, in order."""
    leaves = tree.flatten(value)[0]
    return [v for leaf in leaves for v in np.ravel(np.asarray(leaf, object)) if isinstance(v, (float, complex, np.floating))]


class Judge:
    """CPython: the value, and the derivative in a direction of the float leaves."""

    _stepping: dict = {}

    def __init__(self, case: Case) -> None:
        self.case, self.function = case, case.function
        self.leaves, self.structure = tree.flatten(case.args())
        self.wrt = [k for k, x in enumerate(self.leaves) if is_float(x)]

    def run(self, function, args: tuple) -> list:
        with np.errstate(all="ignore"):
            result = function(*args)
        return floats_of((result, *[args[k] for k in self.case.inout]))

    def value(self) -> np.ndarray:
        return np.array(self.run(self.function, copied(self.case.args())), float)

    def derivative(self, directions: list) -> np.ndarray:
        return self._step(directions) if self.case.oracle == "step" else self._difference(directions)

    def _step(self, directions: list) -> np.ndarray:
        module = inspect.getmodule(self.function)
        if module not in self._stepping:
            made, registered = types.ModuleType(module.__name__), len(CASES)
            exec(compile(Path(module.__file__).read_text(), module.__file__, "exec"), made.__dict__)
            made.__dict__.update(np=NUMPY, math=MATH)
            del CASES[registered:]
            self._stepping[module] = made
        function = getattr(self._stepping[module], self.function.__name__)
        leaves = list(self.leaves)
        for k, d in zip(self.wrt, directions):
            if np.ndim(leaves[k]):
                raised = np.empty(np.shape(leaves[k]), object)
                for where in np.ndindex(*raised.shape):
                    raised[where] = Step(float(leaves[k][where]), H * float(d[where]))
                leaves[k] = raised
            else:
                leaves[k] = Step(float(leaves[k]), H * float(d))
        found = self.run(function, tree.unflatten(self.structure, leaves))
        return np.array([complex(v).imag / H for v in found])

    def _difference(self, directions: list) -> np.ndarray:
        """Central differences, extrapolated: Ridders, Adv. Eng. Software 4 (1982) 75."""
        single = any(getattr(x, "dtype", None) == np.float32 for x in self.leaves)
        h, rows = (0.05 if single else 0.02), []
        for level in range(3 if single else 6):
            step = h / 1.6**level
            ends = []
            for sign in (1, -1):
                leaves = [x.copy() if isinstance(x, np.ndarray) else x for x in self.leaves]
                for k, d in zip(self.wrt, directions):
                    move = sign * step * d
                    leaves[k] = leaves[k] + (move.astype(leaves[k].dtype) if np.ndim(d) else type(leaves[k])(move))
                ends.append(np.array(self.run(self.function, tree.unflatten(self.structure, leaves)), float))
            rows.append((ends[0] - ends[1]) / (2 * step))
        for order in range(1, len(rows)):
            factor = 1.6 ** (2 * order)
            rows = [(factor * b - a) / (factor - 1) for a, b in zip(rows, rows[1:])]
        return rows[0]


def check(case: Case) -> None:
    """Everything that is asked of a case."""
    judge, rng = Judge(case), np.random.default_rng(7)
    value = judge.value()
    compiled, inout = sciad.jit(case.function), case.inout
    args = copied(case.args())
    out, pull = sciad.vjp(compiled, *args, inout=inout)
    single = any(getattr(x, "dtype", None) == np.float32 for x in judge.leaves)
    np.testing.assert_allclose(np.array(floats_of(out), float), value, rtol=1e-6 if single else 1e-12, atol=1e-13)
    bar = tree.tree_map(lambda x: rng.uniform(-1, 1, np.shape(x)) if np.ndim(x) else float(rng.uniform(-1, 1)), out)
    bar_flat = np.array([b for leaf, b in zip(tree.flatten(out)[0], tree.flatten(bar)[0]) if is_float(leaf) for b in np.ravel(b)])
    grads, again = pull(bar), pull(bar)
    unchanged(case, args)
    found = leaves_by_argument(judge, grads)
    for a, b in zip(found, leaves_by_argument(judge, again)):
        np.testing.assert_array_equal(a, b)
    zero = [np.zeros(np.shape(judge.leaves[k])) if np.ndim(judge.leaves[k]) else 0.0 for k in judge.wrt]
    for position, grad in enumerate(found):
        assert np.shape(grad) == np.shape(judge.leaves[judge.wrt[position]])
        for where in np.ndindex(*np.shape(grad)):
            directions = list(zero)
            directions[position] = one_at(zero[position], where)
            exact = judge.derivative(directions)
            scale = 1.0 + np.max(np.abs(exact), initial=0.0)
            assert abs(np.asarray(grad)[where] - bar_flat @ exact) <= tolerance(case) * scale * 3, ("reverse", position, where)
            check_forward(case, judge, compiled, directions, exact, scale)
    unchanged(case, args)


def tolerance(case: Case) -> float:
    return max(case.tolerance, 1e-10 if case.oracle == "step" else 1e-8)


def one_at(zero, where):
    if not np.ndim(zero):
        return 1.0
    direction = zero.copy()
    direction[where] = 1.0
    return direction


def leaves_by_argument(judge: Judge, grads: tuple) -> list:
    """Cotangents of the float leaves, however the pullback arranges them."""
    return [leaf for leaf in arranged(judge.structure, grads, judge) if leaf is not SKIP]


SKIP = object()


def arranged(structure, value, judge: Judge) -> list:
    counter = iter(range(structure.n_leaves))

    def walk(node, part):
        if node.kind == "none":
            return []
        if node.kind == "leaf":
            return [part if next(counter) in judge.wrt else SKIP]
        if node.kind == "dict":
            parts = [part[k] for k in node.keys]
        elif node.kind == "dataclass":
            parts = [getattr(part, k) for k in node.keys]
        else:
            parts = list(part)
        return [leaf for child, p in zip(node.children, parts) for leaf in walk(child, p)]

    return walk(structure, value)


def check_forward(case: Case, judge: Judge, compiled, directions: list, exact: np.ndarray, scale: float) -> None:
    given = [None] * len(judge.leaves)
    for k, d in zip(judge.wrt, directions):
        given[k] = np.asarray(d, judge.leaves[k].dtype) if np.ndim(d) else d
    tangents = tree.unflatten(judge.structure, given)
    out, dots = sciad.jvp(compiled, copied(case.args()), tangents, inout=case.inout)
    pairs = zip(tree.flatten(out)[0], flat_with_none(tree.flatten(out)[1], dots))
    found = np.array([v for leaf, d in pairs if is_float(leaf) for v in np.ravel(d)], float)
    assert np.max(np.abs(found - exact), initial=0.0) <= tolerance(case) * scale, "forward"


def flat_with_none(structure, value) -> list:
    if structure.kind == "leaf":
        return [value]
    if structure.kind == "none":
        return []
    parts = [value[k] for k in structure.keys] if structure.kind == "dict" else list(value)
    return [leaf for child, part in zip(structure.children, parts) for leaf in flat_with_none(child, part)]


def unchanged(case: Case, args: tuple) -> None:
    for a, b in zip(tree.flatten(args)[0], tree.flatten(case.args())[0]):
        assert np.array_equal(np.asarray(a), np.asarray(b)), "the caller's arguments were changed"


@pytest.fixture
def verified(monkeypatch):
    monkeypatch.setattr(verify, "ENABLED", True)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.function.__name__)
def test_interpreted(case, verified):
    with interpreted():
        check(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.function.__name__ in COMPILED], ids=lambda c: c.function.__name__)
def test_compiled(case):
    check(case)


def test_every_name_is_a_case():
    assert {c.function.__name__ for c in CASES} >= COMPILED
    assert len(CASES) == len({c.function.__name__ for c in CASES})


_ = (torture.arrays, torture.control, torture.functions, torture.mixed, torture.numbers)
