"""One program against the judges: CPython for the value, complex step for the derivative, forward against reverse by dot products."""

from __future__ import annotations

import linecache
import types
import warnings

import numpy as np

import sciad
from fuzz.programs import SHAPES
from fuzz.step import MATH, NUMPY, H, lift, noisy

__all__ = ["Wrong", "Useless", "check", "module"]

LARGE = 1e6


class Wrong(AssertionError):
    """A value or derivative of ours that is not right."""


class Useless(Exception):
    """A program that says nothing: it raises in CPython, or its numbers are too large."""


def module(text: str, name: str, **names) -> types.ModuleType:
    """The program as a module whose source `inspect` finds; `names` are put in place of what it imports."""
    made = types.ModuleType(name)
    filename = f"<{name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), made.__dict__)
    made.__dict__.update(names)
    return made


def arguments(seed: int) -> list:
    """Arguments of a program."""
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-1.2, 1.2, SHAPES[k]) for k in ("x", "m")]
    return [*arrays, float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), 3, np.array([0, 3, 1, 3])]


def _copy(args: list) -> list:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def _run(function, args: list):
    """Result and final arrays in CPython."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = function(*args)
    except (ArithmeticError, ValueError, TypeError, UnboundLocalError, IndexError) as error:
        raise Useless(f"{type(error).__name__}: {error}") from None
    return [result, args[0], args[1]]


def _flat(values: list) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(v, float)) for v in values])


def _finite(values: np.ndarray, largest: float = LARGE) -> np.ndarray:
    if not np.all(np.isfinite(values)) or np.max(np.abs(values), initial=0.0) > largest:
        raise Useless("numbers too large")
    return values


def derivative(text: str, name: str, args: list, direction: list) -> np.ndarray:
    """Directional derivative of result and final arrays, by complex step in CPython."""
    stepping = module(text, name + "_step", np=NUMPY, math=MATH)
    raised = [lift(a) for a in _copy(args)]
    for position, d in enumerate(direction):
        if np.ndim(d):
            for where in np.ndindex(*d.shape):
                raised[position][where] = raised[position][where] + d[where] * complex(0.0, H)
        else:
            raised[position] = raised[position] + d * complex(0.0, H)
    found = _run(stepping.f, raised)
    return np.array([complex(v).imag / H for part in found for v in np.ravel(np.asarray(part, object))])


def _close(a, b, tolerance: float, scale: float, what: str) -> None:
    worst = float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0))
    if not worst <= tolerance * scale:
        raise Wrong(f"{what}: off by {worst:.3g} (scale {scale:.3g})")


def check(text: str, name: str, seed: int = 0) -> str:
    """Raise Wrong unless value and derivatives of the program are right; 'refused' where the compiled tier does not take it."""
    try:
        return _check(text, name, seed)
    except Wrong:
        _chaotic(text, name, seed)
        raise


def _chaotic(text: str, name: str, seed: int) -> None:
    """Useless where CPython's own derivative moves by as much when the inputs move by a few roundings, or every operation by one.

    The latter finds what is unstable though its inputs do not show it: a loop that keeps equal numbers equal may expand their differences
    at any rate; the forward derivative never sees that, but the cotangents grow with it until nothing else is left of them.
    """
    args, rng = arguments(seed), np.random.default_rng(seed + 2)
    direction = [rng.uniform(-1, 1, np.shape(a)) if np.ndim(a) else float(rng.uniform(-1, 1)) for a in args[:4]]
    moved = [a * (1.0 + 4e-15 * rng.uniform(-1, 1, np.shape(a))) if k < 2 else a for k, a in enumerate(args)]
    before, after = derivative(text, name, args, direction), derivative(text, name, moved, direction)
    with noisy(rng):
        noise = derivative(text, name, args, direction)
    if max(np.max(np.abs(before - after)), np.max(np.abs(before - noise))) > 1e-10 * (1.0 + np.max(np.abs(before))):
        raise Useless("chaotic: its derivative is lost in rounding")


def _check(text: str, name: str, seed: int) -> str:
    args = arguments(seed)
    rng = np.random.default_rng(seed + 1)
    direction = [rng.uniform(-1, 1, np.shape(args[k])) if np.ndim(args[k]) else float(rng.uniform(-1, 1)) for k in range(4)]
    plain = module(text, name)
    value = _finite(_flat(_run(plain.f, _copy(args))))
    exact = _finite(derivative(text, name, args, direction))
    bars = [float(rng.uniform(-1, 1)), *[rng.uniform(-1, 1, SHAPES[k]) for k in ("x", "m")]]
    compiled, given = sciad.jit(plain.f), _copy(args)
    try:
        out, pull = sciad.vjp(compiled, *given, inout=(0, 1))
        grads = pull(tuple(bars))
        again = pull(tuple(bars))
        forward_out, dots = sciad.jvp(compiled, tuple(given), (*direction, None, None), inout=(0, 1))
    except sciad.UnsupportedSyntax as error:
        return f"refused: {error}"
    for a, b in zip(given, args):
        if not np.array_equal(a, b):
            raise Wrong("the caller's arguments were changed")
    scale = 1.0 + float(np.max(np.abs(value))) + float(np.max(np.abs(exact)))  # a rounding error grows as a change of the inputs does
    _close(_flat(list(out)), value, 1e-11, scale, "value")
    _close(_flat(list(forward_out)), value, 1e-11, scale, "value in forward mode")
    tangent = _flat([0.0 if d is None else d for d in dots])
    scale = 1.0 + float(np.max(np.abs(exact)))
    _close(tangent, exact, 1e-9, scale, "forward mode against complex step")
    cotangent = _flat(list(grads[:4]))
    _close(_flat(list(again[:4])), cotangent, 0.0, 1.0, "second call of the pullback")
    terms = np.concatenate([_flat(bars) * tangent, cotangent * _flat(direction)])
    left, right = float(_flat(bars) @ tangent), float(cotangent @ _flat(direction))
    noise = float(np.max(np.abs(tangent - exact)))  # two ways to compute one derivative in one direction: the program's own rounding
    tolerance = 1e-12 * (1.0 + float(np.sum(np.abs(terms)))) + 20.0 * noise
    _close(left, right, tolerance, 1.0, "dot product of forward and reverse")
    return "held"


