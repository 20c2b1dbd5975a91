"""Direct differentiation of the solver's own steps on the tape: slow, and the judge of the other adjoints."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.sde_kept import adaptive_steps
from sciad.errors import SolveError
from sciad.solvers.sde.brownian import Brownian
from sciad.solvers.sde.program import SRK, Terms
from sciad.solvers.sde.task import Task
from sciad.tape import custom_node, value_of

__all__ = ["SdeDirect"]


@dataclass(frozen=True)
class SdeDirect:
    """Every operation of every step of every path recorded on the tape, evaluations of drift and diffusion as nodes of their own."""

    for_sde = True

    def trace(self, task: Task, y0: Any, leaves: tuple[list, list], shape: tuple[int, ...]) -> Any:
        """Traced states (paths, m, *shape); with adaptive steps, also the steps."""
        ragged = None if task.control is None else adaptive_steps(task)
        out_shapes = shape, shape if task.sde.shape != "matrix" else (*shape, task.sde.m)
        calls = [_node(field, x, out) for field, x, out in zip((task.sde.drift, task.sde.diffusion), leaves, out_shapes)]
        rows = []
        for path in range(task.paths):
            one = task.with_(paths=1, first_path=task.first_path + path) if ragged is None else task.path(ragged, path)
            rows.append(np.stack(_Path(one, calls, shape).walk(y0)))
        states = np.stack(rows)
        return states if ragged is None else (states, ragged)


def _node(field: Any, leaves: list, out_shape: tuple[int, ...]) -> Callable:
    """A compiled function as a function of (t, y) on the tape, where each evaluation is one node."""
    p = field.pack(leaves)
    f = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 4)(field.aug)
    rev = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 7)(field.rev)

    def call(t: float, y: Any) -> Any:
        state, out, tape = np.array(value_of(y), float).reshape(-1), np.empty(out_shape), np.empty(field.tape_size)
        if f(t, state.ctypes.data, p.ctypes.data, out.ctypes.data, tape.ctypes.data) != 0:
            raise SolveError(f"`{field.name}` aborted at t = {t!r}")

        def vjp(out_bar: Any) -> tuple:
            out_bar, y_bar = np.ascontiguousarray(out_bar, float), np.zeros(state.shape)
            p_bar, t_bar = np.zeros(len(p)), np.zeros(1)
            rev(t, *(x.ctypes.data for x in (state, p, tape, out_bar, y_bar, p_bar, t_bar)))
            return y_bar.reshape(np.shape(value_of(y)))[()], *field.unpack(p_bar)

        return custom_node(out[()] if not out_shape else out, [y, *leaves], vjp, None, field.name)

    return call


class _Path:
    """The steps of one path in NumPy."""

    def __init__(self, task: Task, calls: list[Callable], shape: tuple[int, ...]) -> None:
        self.task, self.calls, self.shape = task, calls, shape
        self.kind, self.m = task.sde.shape, task.sde.m
        t = task.grid.times
        motion = Brownian(task.seed, task.t_span, self.m, np.array([task.first_path]))
        w, integral = motion(t)[0], motion.integral(t)[0]
        h = np.diff(t)[:, None]
        self.dw = np.diff(w, axis=0)
        self.area = np.diff(integral, axis=0) / h - w[:-1] - 0.5 * self.dw
        self.levy = self._levy_areas(motion, t) if task.grid.levy else np.zeros((len(h), self.m, self.m))

    def _levy_areas(self, motion: Brownian, t: np.ndarray) -> np.ndarray:
        """Levy areas of the steps from equal pieces of each, as the compiled walk has them."""
        out = np.zeros((len(t) - 1, self.m, self.m))
        for k in range(len(out)):
            s = t[k] + (t[k + 1] - t[k]) * np.arange(self.task.grid.levy + 1) / self.task.grid.levy
            w, integral = motion(s)[0], motion.integral(s)[0]
            d = np.diff(w, axis=0)
            h = np.diff(integral, axis=0) / np.diff(s)[:, None] - w[:-1] - 0.5 * d
            first = 0.5 * (w[:-1] - w[0]) + h
            out[k] = first.T @ d - d.T @ first
        return out

    def walk(self, y0: Any) -> list:
        """Saved states."""
        states = [y0 + np.zeros(self.shape)]
        hidden = states[0]
        for k in range(self.task.grid.n_steps):
            if isinstance(self.task.method, SRK):
                states.append(self.step(k, states[-1]))
            else:
                y, hidden = self.task.method.step_on_tape(self, k, states[-1], hidden)
                states.append(y)
        if not all(np.all(np.isfinite(value_of(y))) for y in states):
            raise SolveError("the SDE to be differentiated failed: the state became infinite or NaN; take smaller steps")
        return [states[k] for k in self.task.grid.wanted]

    def step(self, k: int, y: Any) -> Any:
        """One step from its table."""
        times = self.task.grid.times
        t, h = times[k], times[k + 1] - times[k]
        stages, end = self.task.method.tables(self.m)
        noises = self.noises(k, h)
        ks: list = []
        for stage in stages:
            x = y + self.sum(stage.terms, ks, stages, noises, h)
            if stage.gamma:
                x = self.solve(t + stage.c * h, stage.gamma * h, x)
            ks.append(self.calls[0 if stage.of == "f" else 1](t + stage.c * h, x))
        return y + self.sum(end, ks, stages, noises, h)

    def noises(self, k: int, h: float) -> dict[str, np.ndarray]:
        """Noise vectors of step k by their names in tables."""
        w, size, ito = self.dw[k], abs(h), self.task.method.calculus == "ito"
        root = np.sqrt(size)
        found = {"W": w, "Z": 0.5 * w + self.area[k], "R": np.full(self.m, root)}
        found["Q"] = 0.5 * (w * w - ito * size) / root
        found["T"] = w * (w * w - 3 * ito * size) / (6 * size)
        iterated = 0.5 * (np.outer(w, w) - ito * size * np.eye(self.m)) + self.levy[k]
        for j in range(self.m):
            found[f"E{j + 1}"] = root * np.eye(self.m)[j]
            found[f"L{j + 1}"] = iterated[j] / root
        return found

    def sum(self, terms: Terms, ks: list, stages: tuple, noises: dict, h: float) -> Any:
        """Sum of terms of a table."""
        total: Any = 0.0
        for j, noise, a in terms:
            total = total + a * (h * ks[j] if stages[j].of == "f" else self.times_noise(ks[j], noises[noise]))
        return total

    def times_noise(self, g: Any, noise: np.ndarray) -> Any:
        """g . noise."""
        if self.kind == "matrix":
            return np.sum(g * noise, axis=-1)
        return g * (noise[0] if self.kind == "scalar" else noise.reshape(self.shape)[()])

    def solve(self, t: float, gh: float, base: Any) -> Any:
        """x = base + gh f(t, x): Newton's iteration on values, then one step of it on the tape, which carries the whole derivative."""
        n, drift, p = self.task.sde.n, self.task.sde.drift, self.task.p
        compiled = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 3)
        jac, f = compiled(drift.jac), compiled(drift.f)
        x = np.array(value_of(base), float).reshape(-1)
        start, out, J = x.copy(), np.empty(n), np.empty((n, n))
        for _ in range(30):
            jac(t, x.ctypes.data, p.ctypes.data, J.ctypes.data)
            f(t, x.ctypes.data, p.ctypes.data, out.ctypes.data)
            update = np.linalg.solve(np.eye(n) - gh * J, start + gh * out - x)
            x += update
            if np.max(abs(update)) <= 1e-15 * (1 + np.max(abs(x))):
                break
        inverse = np.linalg.inv(np.eye(n) - gh * J)
        guess = x.reshape(self.shape)
        residual = np.reshape(base + gh * self.calls[0](t, guess[()]) - guess, -1)
        return np.reshape(x + inverse @ residual, self.shape)
