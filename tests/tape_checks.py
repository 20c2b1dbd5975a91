"""What every function on the tape must pass: NumPy's value, forward = reverse, differences, and all orders of mixing for the second."""

from __future__ import annotations

import numpy as np

from sciad.tape import trace_jvp, trace_vjp
from sciad.tree import flatten, unflatten


def is_float(x):
    return isinstance(x, (float, complex)) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc")


def like(x, rng):
    """A random tangent or cotangent."""
    r = rng.standard_normal(np.shape(x))
    if np.asarray(x).dtype.kind == "c":
        r = r + 1j * rng.standard_normal(np.shape(x))
    return np.asarray(r).astype(np.asarray(x).dtype)[()]


def random_like(tree, rng):
    leaves, structure = flatten(tree)
    return unflatten(structure, [like(x, rng) if is_float(x) else None for x in leaves])


def pairs(a, b):
    return [(x, y) for x, y in zip(spread(a), spread(b)) if x is not None and y is not None]


def spread(tree):
    """Leaves, with None for the empty ones."""
    if tree is None:
        return [None]
    if isinstance(tree, dict):
        return [v for k in sorted(tree) for v in spread(tree[k])]
    if isinstance(tree, (tuple, list)):
        return [v for t in tree for v in spread(t)]
    return [tree]


def dot(a, b):
    """Re <a, b> over the float leaves of two trees."""
    return float(sum(np.real(np.vdot(np.ravel(x), np.ravel(y))) for x, y in pairs(a, b)))


def step(tree, tangent, h):
    leaves, structure = flatten(tree)
    return unflatten(structure, [x if t is None else x + h * t for x, t in zip(leaves, spread(tangent))])


def difference(f, args, dots, h=1e-3):
    """Derivative along `dots` by central differences, extrapolated twice."""

    def central(h):
        plus, minus = f(*step(args, dots, h)), f(*step(args, dots, -h))
        return [(np.asarray(p) - np.asarray(m)) / (2 * h) if is_float(p) else None for p, m in zip(spread(plus), spread(minus))]

    a, b, c = central(h), central(h / 2), central(h / 4)
    first = [None if x is None else (4 * y - x) / 3 for x, y in zip(a, b)]
    second = [None if x is None else (4 * y - x) / 3 for x, y in zip(b, c)]
    return [None if x is None else (16 * y - x) / 15 for x, y in zip(first, second)]


def close(a, b, tol, what):
    got, want = spread(a), spread(b)
    assert len(got) == len(want), f"{what}: {len(got)} leaves, not {len(want)}"
    for x, y in zip(got, want):
        if x is None or y is None:
            continue
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape, f"{what}: shape {x.shape}, not {y.shape}"
        scale = 1.0 + np.max(np.abs(y[np.isfinite(y)]), initial=0.0) if y.dtype.kind in "fc" else 1.0
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol * scale, err_msg=what)


def check(f, *args, order=2, differences=1e-7, value=1e-12, seed=0):
    """Check value and derivatives of a function of floats and arrays (other arguments are passed through)."""
    rng = np.random.default_rng(seed)
    before = [np.copy(x) for x in flatten(args)[0]]
    plain = f(*args)
    out, pullback = trace_vjp(f, args)
    close(out, plain, value, "value under vjp")
    dots, bars = random_like(args, rng), random_like(out, rng)
    cotangents = pullback(bars)
    assert len(cotangents) == len(args)
    for x, c in zip(flatten(args)[0], spread(cotangents)):
        if is_float(x):
            assert np.shape(c) == np.shape(x)
            assert np.asarray(c).dtype == np.asarray(x).dtype
    close(pullback(bars), cotangents, 1e-15, "second call of the pullback")
    out, out_dots = trace_jvp(f, args, dots)
    close(out, plain, value, "value under jvp")
    left, right = dot(bars, out_dots), dot(cotangents, dots)
    assert abs(left - right) <= 1e-10 * (1 + abs(left) + abs(right)), f"forward {left}, reverse {right}"
    if differences is not None:
        close(difference(f, args, dots), spread(out_dots), differences, "differences")
    for x, y in zip(flatten(args)[0], before):
        np.testing.assert_array_equal(x, y, err_msg="an argument was changed")
    if order > 1:
        check_second(f, args, bars, rng, differences)


def check_second(f, args, bars, rng, differences):
    """Reverse over reverse, forward over reverse and reverse over forward agree with each other and with differences."""

    def gradient(*args):
        return trace_vjp(f, args)[1](bars)

    ends = random_like(args, rng)
    forward = trace_jvp(gradient, args, ends)[1]
    if differences is not None:
        close(difference(gradient, args, ends), spread(forward), 10 * differences, "second differences")
    tops = random_like(args, rng)
    reverse = trace_vjp(gradient, args)[1](tops)
    left, right = dot(tops, forward), dot(reverse, ends)
    assert abs(left - right) <= 1e-9 * (1 + abs(left) + abs(right)), f"second order: forward {left}, reverse {right}"

    def directional(*args):
        return trace_jvp(f, args, ends)[1]

    mixed = trace_vjp(directional, args)[1](bars)
    forward_forward = trace_jvp(directional, args, tops)[1]
    left, right = dot(mixed, tops), dot(bars, forward_forward)
    assert abs(left - right) <= 1e-9 * (1 + abs(left) + abs(right)), f"second order: reverse {left}, forward {right}"
    assert abs(dot(mixed, tops) - dot(tops, forward)) <= 1e-8 * (1 + abs(left)), "second order: the ways of mixing differ"
