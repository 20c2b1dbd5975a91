"""Tangents of a solve: the state and some directional derivatives of it, integrated together through `jvp`, compiled.

    y' = f(t, y, p),    s_j' = J s_j + f_p d_j,    j = 1, ..., k

Without error control of the tangents the steps are those of the plain solve, and s_j is the exact derivative of what they compute:
a Runge-Kutta method applied to this system is the derivative of the method applied to the first part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from sciad.adjoints.primal import forward_solve, saved_derivatives, state_derivative
from sciad.adjoints.reverse_rhs import address
from sciad.adjoints.tangent_layout import (
    NAMES,
    S_J,
    S_JAC,
    S_JVP,
    S_JVP_DOT,
    S_K,
    S_MOVED,
    S_N,
    S_NP,
    S_P,
    S_P_DOT,
    S_SIZE,
    S_Y,
    S_ZEROS,
)  # fmt: skip
from sciad.adjoints.tangent_solver import TangentBlock, block_jacobian_address
from sciad.backend import call_address
from sciad.errors import SciadError
from sciad.solvers.linear.choice import choose_linear
from sciad.solvers.linear.krylov import Krylov
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.memory import get, get_int, put
from sciad.solvers.methods import find_method
from sciad.solvers.rhs import Rhs

__all__ = ["RECORDS", "Tangents", "directional"]

TIGHTEST = 3e-11  # relative tolerance of tangents: explicit steps on the Oregonator at 1e-11/1e-14 are 100 times as many without this limit
RECORDS = ("dense_output", "store", "max_states")  # options that keep what a solve passes through


@dataclass(frozen=True)
class Tangents:
    """How to solve with tangents: ``error_control``, whether they count in the error norm, each with a norm of its own."""

    error_control: bool

    def solve(self, rhs: Rhs, t_span, y0, p, t_eval, options: dict[str, Any], y0_dot: np.ndarray, p_dot: np.ndarray):
        """(RawSolution of the whole system, ys (m, n), s (k, m, n)) from directions y0_dot (k, n) and p_dot (k, n_p), k at least 1.

        SolveError if the solve fails.
        """
        y0_dot, p_dot, n = np.asarray(y0_dot, np.float64), np.ascontiguousarray(p_dot, np.float64), rhs.n
        context = np.zeros(S_SIZE)
        context.view(np.int64)[: S_P_DOT + 1] = rhs.jvp(), address(p), n, rhs.n_p, len(p_dot), address(p_dot)
        alive: list[Any] = [rhs, p, p_dot, context]
        method, options = find_method(options.get("method", "Tsit5")), {k: v for k, v in options.items() if k != "method"}
        forms = {} if getattr(method, "implicit", True) is False else self._implicit(rhs, t_span, y0, p, method, options, context, alive)
        both = Rhs(_compiled().tangent_rhs.address, n * (1 + len(p_dot)), S_SIZE, **forms, autonomous=rhs.autonomous, owner=alive)
        if options.get("fixed_step") is None:
            options |= self._tolerances(options, n, p, y0_dot, p_dot)
        if options.get("mass") is not None:  # the consistent initial tangents are the derivatives of the consistent initial state
            options["mass"] = np.kron(np.eye(1 + len(p_dot)), options["mass"])
        solution = forward_solve(both, t_span, np.concatenate([y0, y0_dot.ravel()]), context, method, t_eval, options, with_mass=True)
        states = solution.ys.reshape(len(solution.t), 1 + len(p_dot), n)
        return solution, np.ascontiguousarray(states[:, 0]), states[:, 1:].transpose(1, 0, 2)

    @staticmethod
    def _implicit(rhs: Rhs, t_span, y0, p, method: Any, options: dict[str, Any], context: np.ndarray, alive: list) -> dict[str, Callable]:
        """Jacobian and products of the whole system, for implicit methods; linear algebra by blocks goes to the options, where it can."""
        n, places, k = rhs.n, context.view(np.int64), int(context.view(np.int64)[S_K])
        memory, zeros = np.zeros(2 * n * n + n + rhs.n_p), np.zeros(max(n, rhs.n_p))
        places[[S_JVP_DOT, S_ZEROS, S_J]] = _offered(rhs.jvp_dot), address(zeros), address(memory)
        places[[S_Y, S_MOVED]] = address(memory) + 16 * n * n, address(memory) + 8 * (2 * n * n + n)
        alive += [memory, zeros]
        blocks = False
        if options.get("mass") is None and places[S_JVP_DOT] != 0:
            wish = "dense" if options.get("linear") is None and getattr(method, "complex", False) else options.get("linear")
            inner = choose_linear(wish, rhs, float(t_span[0]), y0, p)
            blocks = not isinstance(inner, Krylov)
            if blocks:
                options["linear"] = TangentBlock(context, k, inner)

        def jac() -> int:
            places[S_JAC] = rhs.jac()
            return block_jacobian_address() if blocks else _compiled().tangent_jacobian.address

        return {"jac": jac} | ({"jvp": lambda: _compiled().tangent_jvp.address} if places[S_JVP_DOT] != 0 else {})

    def _tolerances(self, options: dict[str, Any], n: int, p, y0_dot: np.ndarray, p_dot: np.ndarray) -> dict[str, Any]:
        """rtol and atol of the whole system: its error norm is that of y, plus those of the tangents if they count.

        The absolute tolerance of a tangent is that of y times the size of its direction, for parameters relative to their size; the
        relative one is no tighter than rounding of J allows, which is relative to the largest tangents, not to each component.
        """
        rtol = np.broadcast_to(np.asarray(options.get("rtol", 1e-3), float), n)
        atol = np.broadcast_to(np.asarray(options.get("atol", 1e-6), float), n)
        sizes = np.hstack([np.abs(y0_dot), np.abs(p_dot) / np.where(p == 0.0, 1.0, np.abs(p))]).max(axis=1)
        sizes[sizes == 0.0] = 1.0
        share = 1.0
        if self.error_control:
            share = 1.0 / np.sqrt(1 + len(sizes))  # the norm is a mean over all, and all groups are equally large
        else:
            sizes[:] = np.inf
        relative = np.concatenate([share * rtol, np.tile(np.maximum(share * rtol, TIGHTEST), len(sizes))])
        relative = np.maximum(relative, 100 * np.finfo(float).eps)
        counted = np.where(atol == 0.0, np.finfo(float).tiny, atol)  # 0 times infinity
        return {"rtol": relative, "atol": np.concatenate([share * atol, np.outer(share * sizes, counted).ravel()])}


def directional(tangents: Tangents, exact_flow: bool, rhs: Rhs, t_span, y0, p, t_eval, options, y0_dot, p_dot, t_span_dot, t_eval_dot):
    """(RawSolution, ys_dot (m, n)) of a solve in one direction of y0, p and the times; None stands for zero.

    A saved time moves its state by f there or, if not `exact_flow` and inside a step, by the slope of the dense output.
    """
    options, y0, p = dict(options or {}), np.array(y0, np.float64), np.array(p, np.float64)
    p_dot = np.zeros(rhs.n_p) if p_dot is None else np.asarray(p_dot, np.float64)
    y0_dot = np.zeros(rhs.n) if y0_dot is None else np.asarray(y0_dot, np.float64)
    mass = options.get("mass")
    moved = state_derivative(rhs, t_span[0], y0, p, mass) * t_span_dot[0] if t_span_dot[0] else np.zeros(rhs.n)
    start = y0_dot - moved
    inner, plain = {k: v for k, v in options.items() if k not in RECORDS}, None
    slopes = t_eval_dot is not None and not exact_flow
    if slopes or any(options.get(name) for name in RECORDS):  # a record must be of y alone
        given = options | {"dense_output": True} if slopes else options
        method = find_method(options.get("method", "Tsit5"))
        plain = forward_solve(rhs, t_span, y0, p, method, t_eval, {k: v for k, v in given.items() if k != "method"}, with_mass=True)
    saved, ys, s = tangents.solve(rhs, t_span, y0, p, plain.t if plain else t_eval, inner, start[None], p_dot[None])
    solution, ys_dot = plain or replace(saved, ys=ys), s[0].copy()
    if t_eval is None:
        ys_dot[0] = y0_dot if mass is None else ys_dot[0] + moved  # the first saved state is y0 (made consistent), whatever t0
        if t_span_dot[1] and len(ys_dot) > 1:
            ys_dot[-1] += state_derivative(rhs, t_span[1], solution.ys[-1], p, mass) * t_span_dot[1]
    elif t_eval_dot is not None:
        dys = saved_derivatives(rhs, solution.t, solution.ys, p, mass)
        if slopes and solution.naccept > 0:
            inside = ~np.isin(solution.t, solution.steps.times)
            dys[inside] = solution.sol.derivative(solution.t[inside]).T
        ys_dot += dys * np.asarray(t_eval_dot, np.float64)[:, None]
    return solution, ys_dot


def tangent_rhs(t, z, c, dz):
    """f(t, y, p), and J s_j + f_p d_j for each tangent."""
    jvp, p, n, n_p, p_dot = get_int(c, S_JVP), get_int(c, S_P), get_int(c, S_N), get_int(c, S_NP), get_int(c, S_P_DOT)
    for j in range(get_int(c, S_K)):
        s = 8 * n * (j + 1)
        code = call_address(jvp, t, 0.0, z, z + s, p, p_dot + 8 * n_p * j, dz, dz + s)
        if code != 0:
            return code
    return 0


def step_along(n, x, direction, size):
    """The largest factor by which a direction may be multiplied so that no entry of x changes by more than `size`, relatively."""
    largest, most = 0.0, 0.0
    for i in range(n):
        largest, most = max(largest, abs(get(x, i))), max(most, abs(get(direction, i)))
    return size * (largest if largest > 0.0 else 1.0) / most if most > 0.0 else math.inf


def tangent_jacobian(t, z, c, out):
    """J for y and for every tangent and, left of it, the derivative of J s + f_p d with respect to y.

    Where the right-hand side does not offer that, it comes from central differences of J.
    """
    n, n_p, k, p, size = get_int(c, S_N), get_int(c, S_NP), get_int(c, S_K), get_int(c, S_P), get_int(c, S_N) * (1 + get_int(c, S_K))
    jac, one, y, moved = get_int(c, S_JAC), get_int(c, S_J), get_int(c, S_Y), get_int(c, S_MOVED)
    two = one + 8 * n * n
    for i in range(size * size):
        put(out, i, 0.0)
    code = call_address(jac, t, z, p, one)
    for block in range(1 + k):
        for i in range(n):
            for j in range(n):
                put(out, size * (n * block + i) + n * block + j, get(one, n * i + j))
    for block in range(1, 1 + k):
        s, p_dot = z + 8 * n * block, get_int(c, S_P_DOT) + 8 * n_p * (block - 1)
        if get_int(c, S_JVP_DOT) != 0:
            for j in range(n):
                for i in range(n):
                    put(y, i, 1.0 if i == j else 0.0)
                    put(one, i, 0.0)
                if code == 0:
                    code = call_address(get_int(c, S_JVP_DOT), t, 0.0, z, y, s, get_int(c, S_ZEROS), p, p_dot, one)
                for i in range(n):
                    put(out, size * (n * block + i) + j, get(one, i))
            continue
        h = step_along(n, z, s, 6e-6)
        for i in range(n_p):
            if get(p_dot, i) != 0.0:
                h = min(h, 6e-6 * (abs(get(p, i)) if get(p, i) != 0.0 else 1.0) / abs(get(p_dot, i)))
        if h == math.inf:
            continue
        for sign in range(2):
            step = h if sign == 0 else -h
            for i in range(n):
                put(y, i, get(z, i) + step * get(s, i))
            for i in range(n_p):
                put(moved, i, get(p, i) + step * get(p_dot, i))
            if code == 0:
                code = call_address(jac, t, y, moved, one if sign == 0 else two)
        for i in range(n):
            for j in range(n):
                put(out, size * (n * block + i) + j, (get(one, n * i + j) - get(two, n * i + j)) / (2.0 * h))
    return code


def tangent_jvp(t, t_dot, z, z_dot, c, c_dot, dz, dz_dot):
    """The derivative of `tangent_rhs` where t and z move."""
    jvp, second, p, n, n_p = get_int(c, S_JVP), get_int(c, S_JVP_DOT), get_int(c, S_P), get_int(c, S_N), get_int(c, S_NP)
    zeros, k = get_int(c, S_ZEROS), get_int(c, S_K)
    code = call_address(jvp, t, t_dot, z, z_dot, p, zeros, dz, dz_dot)
    for i in range(n, n * (1 + k)):
        put(dz_dot, i, 0.0)
    for j in range(k):
        s, p_dot = 8 * n * (j + 1), get_int(c, S_P_DOT) + 8 * n_p * j
        if code == 0:
            code = call_address(second, t, t_dot, z, z_dot, z + s, z_dot + s, p, p_dot, dz_dot + s)
    return code


def _offered(build: Callable[[], int]) -> int:
    """The address, or 0 where the right-hand side has no such function or no such derivative."""
    try:
        return build()
    except SciadError:
        return 0


@cache
def _compiled() -> ModuleType:
    """`tangent_rhs`, `tangent_jacobian` and `tangent_jvp` as C functions."""
    floats = {tangent_rhs: "1, 3", tangent_jacobian: "1, 3", tangent_jvp: "2, 6"}
    parts = [source_of(f).replace("@njit(cache=False)", f"@cfunc(kernel_signature({kind}))") for f, kind in floats.items()]
    return load_kernels("".join([HEADER, NAMES, source_of(step_along), *parts]), "tangent")
