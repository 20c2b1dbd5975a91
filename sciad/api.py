"""The public transformations.  A function wrapped in `sciad.jit` goes through the compiled tier, any other through the tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from sciad import compiled, tree
from sciad.errors import SciadError, ShapeError
from sciad.jit import Jitted
from sciad.tape import is_traced, trace_jvp, trace_vjp, value_of

__all__ = ["vjp", "jvp", "grad", "value_and_grad", "hvp", "derivative_source"]


def vjp(fun: Callable, *primals: Any, inout: Sequence[int] = ()) -> tuple[Any, Callable]:
    """The result of ``fun(*primals)`` and a pullback from a cotangent of the result to a tuple of cotangents, one for each primal.

    `inout` names array arguments that the function writes into: the result is then ``(result, *finals)`` with their final contents, and the
    pullback takes ``(result_bar, *finals_bar)``; cotangents are with respect to the contents at entry.  None stands for a cotangent of
    zeros; arguments that are not floats get None.  The caller's arrays are never changed.
    """
    if isinstance(fun, Jitted) and not _any_traced(primals):
        return compiled.vjp(fun, primals, tuple(inout))
    return trace_vjp(_with_finals(fun, tuple(inout)), primals)


def jvp(fun: Callable, primals: Sequence, tangents: Sequence, inout: Sequence[int] = ()) -> tuple[Any, Any]:
    """The result of ``fun(*primals)`` and its derivative in the direction `tangents` (trees like `primals`; None for zero).

    With `inout`, the arguments that the function writes into, both are ``(result, *finals)``.  Results that are not floats have the
    tangent None.  ShapeError where a tangent does not fit.
    """
    if isinstance(fun, Jitted) and not _any_traced((primals, tangents)):
        return compiled.jvp(fun, tuple(primals), tuple(tangents), tuple(inout))
    return trace_jvp(_with_finals(fun, tuple(inout)), tuple(primals), tuple(tangents))


def _any_traced(trees: Any) -> bool:
    return any(map(is_traced, tree.leaves(trees)))


def _with_finals(fun: Callable, inout: tuple[int, ...]) -> Callable:
    """`fun`, returning also the arguments that it writes into."""
    if not inout:
        return fun
    if isinstance(fun, Jitted):
        raise SciadError("inout= with a compiled function inside another differentiation; let the function return its new arrays")

    def run(*args: Any) -> tuple:
        result = fun(*args)
        return (result, *[args[k] for k in inout])

    return run


# -- gradients ---------------------------------------------------------------------------------------------------------------------
def value_and_grad(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """A function that returns ``fun``'s value, a float, and its gradient with respect to the arguments `argnums`.

    The gradient has the tree and shapes of the argument (a tuple of such where `argnums` is a sequence).  With `has_aux`, `fun` returns
    ``(value, aux)`` and so does the first part of the result.  SciadError where the value is not a scalar float.

    >>> value_and_grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    (9.0, array([ 3., 12.]))
    """
    chosen = _chosen(argnums)

    @wraps(fun)
    def run(*args: Any, **kwargs: Any) -> tuple:
        if isinstance(fun, Jitted) and not kwargs and not has_aux and (hit := fun.fast.value_and_grad(args, chosen)) is not None:
            return hit[0], hit[1][0] if isinstance(argnums, int) else tuple(hit[1])
        positions = [_position(k, args, fun) for k in chosen]
        if isinstance(fun, Jitted) and not has_aux and not _any_traced((args, kwargs)):
            value, bars = compiled.value_and_grad(fun, fun.positional(args, kwargs), positions)
        else:
            value, bars = _traced_gradient(fun, args, kwargs, positions, has_aux)
        return value, bars[0] if isinstance(argnums, int) else tuple(bars)

    return run


def grad(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """The gradient of a scalar function with respect to the arguments `argnums`; see `value_and_grad`.

    With `has_aux`, ``fun`` returns ``(value, aux)`` and the gradient function ``(gradient, aux)``.

    >>> grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    both = value_and_grad(fun, argnums, has_aux)

    @wraps(fun)
    def run(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return run


def _chosen(argnums: int | Sequence[int]) -> tuple[int, ...]:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not chosen or not all(isinstance(k, (int, np.integer)) and not isinstance(k, bool) for k in chosen):
        raise SciadError(f"argnums must be an int or a sequence of ints, not {argnums!r}")
    return chosen


def _position(k: int, args: tuple, fun: Callable) -> int:
    if not -len(args) <= k < len(args):
        name = getattr(fun, "__name__", "the function")
        raise SciadError(f"argnums contains {k}, but `{name}` was called with {len(args)} positional arguments")
    return k % len(args)


def _traced_gradient(fun: Callable, args: tuple, kwargs: dict, positions: list[int], has_aux: bool) -> tuple[Any, list]:
    def inner(*chosen: Any) -> Any:
        full = list(args)
        for k, x in zip(positions, chosen):
            full[k] = x
        return fun(*full, **kwargs)

    out, pullback = trace_vjp(inner, tuple(args[k] for k in positions))
    if has_aux and not (isinstance(out, tuple) and len(out) == 2):
        raise SciadError(f"`{getattr(fun, '__name__', 'the function')}` must return (value, aux) where has_aux=True")
    value = out[0] if has_aux else out
    check_scalar(value, fun)
    seed = 1.0
    bars = list(pullback((seed, None) if has_aux else seed))
    plain = value if is_traced(value) else float(value)
    return (plain, out[1]) if has_aux else plain, bars


def check_scalar(value: Any, fun: Callable) -> None:
    """SciadError unless a value to be differentiated is one float."""
    plain = value_of(value)
    if isinstance(plain, (float, np.floating)) or (isinstance(plain, np.ndarray) and plain.shape == () and plain.dtype.kind == "f"):
        return
    what = f"an array of shape {plain.shape}" if isinstance(plain, np.ndarray) else f"{type(plain).__name__}"
    name = getattr(fun, "__name__", "the function")
    raise ShapeError(f"gradient of `{name}`, which returns {what}; return one float, or use sciad.jacobian or sciad.vjp")


# -- products of second order ------------------------------------------------------------------------------------------------------
def hvp(fun: Callable, primals: Sequence, tangents: Sequence) -> Any:
    """The product of the Hessian of a scalar function with a vector: the derivative of its gradient in the direction `tangents`.

    Gives one tree for each primal; a single one is given as it is.  Forward over reverse.

    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    primals, tangents = tuple(primals), tuple(tangents)
    gradient = grad(fun, argnums=tuple(range(len(primals))))
    _, product = jvp(gradient, primals, tangents)
    return product[0] if len(primals) == 1 else product


def derivative_source(fun: Callable, *args: Any, mode: str = "reverse") -> str:
    """The Python that sciad generates for ``fun(*args)``, as text: "primal", "forward" or "reverse"."""
    from sciad.jit import jit

    if mode not in ("primal", "forward", "reverse"):
        raise SciadError(f"mode must be 'primal', 'forward' or 'reverse', not {mode!r}")
    return compiled.source(jit(fun), args, mode)
