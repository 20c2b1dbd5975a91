"""A solve planned ahead: what does not depend on the numbers is worked out at the first call and kept for the next ones.

Preparing a solve takes Python longer than small problems take to be solved; see `sciad.solvers.planned` for which solves have plans.
"""

from __future__ import annotations

from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from sciad.solvers.auto import WATCH_EXPLICIT, WATCH_STIFF, Auto, choose
from sciad.solvers.counting import count
from sciad.solvers.fields import Compiled
from sciad.solvers.integrate import RawSolution
from sciad.solvers.late import adjoint_of, report_adjoint
from sciad.solvers.layout import DONE, NEED_ROOM, RUNNING, SWITCH
from sciad.solvers.loop import compiled_loop
from sciad.solvers.methods import find_method
from sciad.solvers.pieces import Part, joined, run_switching
from sciad.solvers.setup import STORES
from sciad.solvers.status import SUCCESS_TEXT, Status
from sciad.solvers.template import Template, has_template

__all__ = ["Done", "Options", "Plan"]

EMPTY, EMPTY_2D = np.empty(0), np.empty((0, 0))


class Options(NamedTuple):
    """The options of a solve that plans depend on."""

    method: Any
    rtol: Any
    atol: Any
    max_step: Any
    min_step: Any
    max_steps: int
    adjoint: Any


class Plan:
    """One right-hand side, method, kind of record and set of options: the arrays of the compiled loop before the numbers are put in."""

    def __init__(self, compiled: Compiled, code: CodeType, options: Options, adjoint: Any, store: str) -> None:
        self.field, self.rhs, self.code, self.options, self.adjoint = compiled.field, compiled.rhs, code, options, adjoint
        self.asked = find_method(options.method)
        switching = isinstance(self.asked, Auto)
        method, other = choose(self.asked, self.rhs.n, options.rtol) if switching else (self.asked, None)
        template = Template(self.rhs, method, STORES[store], options, WATCH_EXPLICIT if switching else 0)
        self.route = _Route(method, other, template, None)  # replaced as a whole: other threads may be on it
        self.given_up = False

    def run(self, t0: float, t1: float, y0: np.ndarray, p: np.ndarray, t_eval: np.ndarray | None) -> Done | None:
        """Solve; None where the end is not reached, or not in a way that is planned."""
        wanted = EMPTY if t_eval is None else t_eval
        ys = np.empty((len(wanted), self.rhs.n))
        given = p, wanted, ys, EMPTY, EMPTY_2D, None, None
        route, pieces = self.route, None
        if route.pair is None:
            part = route.template.part(t0, t1)
            code = _run(part, y0, given)
            if code == DONE:
                route.template.learn(part)
                pieces = [part.piece()]
            elif code == SWITCH:
                route = self._turn_stiff(route)
        if route.pair is not None:
            pair = route.pair
            code, _, pieces = run_switching(route.method, route.other, lambda method, watch: pair[method].part(t0, t1), y0, given, _run)
        if code == RUNNING:  # a long one, which must answer to Ctrl-C
            self.given_up = True
        if code != DONE or pieces is None:
            return None
        if t_eval is None:
            wanted, ys = joined(pieces)
        done = Done(self, tuple(pieces), (t0, t1), wanted, ys, y0, p, t_eval)
        count(done.counts[0])
        return done

    def leave_explicit(self) -> None:
        """From now on the stiff method alone, as an adjoint takes it that does not trust the explicit steps of "auto"; else give up."""
        stiff = self.route.other
        if stiff is None or not self._may_take(stiff):
            self.given_up = True
        else:
            self.route = _Route(stiff, None, Template(self.rhs, stiff, STORES["states"], self.options), None)

    def _turn_stiff(self, route: _Route) -> _Route:
        """From now on both methods, the states of whose steps are kept; else give up."""
        if not self._may_take(route.other):
            self.given_up = True
            return route
        level = route.template.level if self.adjoint is None else STORES["states"]
        watches = (route.method, WATCH_EXPLICIT), (route.other, WATCH_STIFF)
        pair = {method: Template(self.rhs, method, level, self.options, watch) for method, watch in watches}
        self.route = route._replace(pair=pair)
        return self.route

    def _may_take(self, stiff: Any) -> bool:
        """Whether the linear algebra and the adjoint allow plans for a stiff method."""
        return has_template(self.rhs, stiff) and (self.adjoint is None or self.adjoint.planned(self.rhs, stiff) is not None)


class _Route(NamedTuple):
    """How a plan solves: by one method with its arrays or, where "auto" was seen to switch, by a pair."""

    method: Any
    other: Any
    template: Template
    pair: dict[Any, Template] | None


def _run(part: Part, y0: np.ndarray, given: tuple) -> int:
    """As `Part.run`, but for the time of one budget only."""
    slots, reals, record, advance = part.slots, part.reals, part.record, compiled_loop()
    p, wanted, ys, stops, jumps = given[:5]
    while True:
        code = advance(slots, reals, p, y0, wanted, ys, record.times, record.states, stops, jumps, part.method.dense)
        if code != NEED_ROOM:
            return code
        record.grow(slots)


class Done:
    """A solve that reached its end; what only some callers ask for is made when they do."""

    __slots__ = ("counts", "kept", "p", "pieces", "plan", "span", "t", "t_eval", "y0", "ys")

    def __init__(self, plan, pieces, span, t, ys, y0, p, t_eval) -> None:
        self.plan, self.pieces, self.span, self.t, self.ys, self.y0, self.p, self.t_eval = plan, pieces, span, t, ys, y0, p, t_eval
        self.counts = (pieces[0].counts if len(pieces) == 1 else sum(piece.counts for piece in pieces)).tolist()
        self.kept: list = []  # for a way back

    def raw(self) -> RawSolution:
        """As `integrate` returns it."""
        steps = self.pieces[0].steps if len(self.pieces) == 1 else None
        return RawSolution(self.t, self.ys, Status.SUCCESS, SUCCESS_TEXT, *self.counts, steps, None, self.pieces)

    def fields(self) -> dict[str, Any]:
        """Those of the result that the general way works out at once."""
        plan, pieces, kept = self.plan, self.pieces, self.kept
        nfev, naccept, nreject, njev, nlu = self.counts

        def explain() -> Any:
            return report_adjoint(adjoint_of(plan.options.adjoint), plan.rhs, [x.method for x in pieces], naccept, False, kept)

        return {
            "sol": None, "t_events": None, "y_events": None, "nfev": nfev, "njev": njev, "nlu": nlu, "naccept": naccept, "nreject": nreject,
            "method": plan.asked.name, "switches": [(x.start, x.method.name) for x in pieces], "status": 0, "message": SUCCESS_TEXT,
            "success": True, "_explain": explain,
        }  # fmt: skip
