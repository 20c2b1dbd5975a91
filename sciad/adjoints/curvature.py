"""Second derivatives along directions whose tangents have been under error control."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sciad.adjoints.direct import problem_of, refuse_algebraic
from sciad.adjoints.direct_forms import compiled_field
from sciad.adjoints.replay import Replay
from sciad.adjoints.tangent import RECORDS, Tangents
from sciad.solvers.pieces import Piece
from sciad.solvers.rhs import Rhs

STATES_AT_ONCE = 512

__all__ = ["controlled_curvature"]


def controlled_curvature(rhs: Rhs, t_span, y0, p, t_eval, options: dict[str, Any] | None, direction: tuple) -> Replay:
    """The steps of the state in a solve whose error control includes its tangents, those along `direction` (y0_dot, p_dot) among them.

    At an equilibrium the steps of the plain solve are useless for derivatives, of second order too.
    """
    compiled_field(rhs)
    y0_dot, p_dot = _directions(rhs, np.asarray(p, np.float64), direction)
    inner = {name: value for name, value in dict(options or {}).items() if name not in RECORDS} | {"dense_output": True}
    whole, _, _ = Tangents(error_control=True).solve(rhs, t_span, y0, p, t_eval, inner, y0_dot, p_dot)
    pieces = tuple(_of_state(piece, rhs.n) for piece in whole.pieces)
    taken = problem_of(replace(whole, pieces=pieces), t_span, y0, p, t_eval, options)
    refuse_algebraic(rhs, taken)
    return Replay(rhs, taken.problem, order=2)


def _directions(rhs: Rhs, p: np.ndarray, direction: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Directions (k, n) and (k, n_p) of the tangents: of all initial values and parameters, or, where these are many, random mixtures."""
    n, columns, most = rhs.n, rhs.n + rhs.n_p, max(1, STATES_AT_ONCE // rhs.n)
    units = np.eye(columns)
    if columns > most:
        sizes = np.concatenate([np.ones(n), np.where(p == 0.0, 1.0, np.abs(p))])
        units = np.random.default_rng(0).normal(size=(most, columns)) * sizes
    if np.any(direction[0]) or np.any(direction[1]):
        units = np.vstack([np.concatenate(direction), units])
    return units[:, :n], units[:, n:]


def _of_state(piece: Piece, n: int) -> Piece:
    """The part of y in what was recorded of y and a tangent: a method applied to both is that method applied to y."""
    states = piece.steps.states
    states = states.reshape(len(states), -1, piece.n)[:, :, :n].reshape(len(states), -1)
    return replace(piece, steps=replace(piece.steps, states=states), n=n)
