"""Where the values that the primal sweep stores lie: rows of an array for nests with known trips, else tapes that grow.

    nest of known trips     one array, slot j of trip k at ``j * trips + k``
    other counted loop      a growing tape, a block for each execution: slot j of trip k at ``base + j * n + k``
    while                   a growing tape, a row for each trip
    given tape              slot j of trip k at ``start + j * trips + k``; ints and bools travel as floats
"""

from __future__ import annotations

from collections.abc import Callable

from sciad.ir import Op, Region, Value
from sciad.passes.patches import Nests, Patches, const, constant_trips, emit, insert_before, linear, product
from sciad.types import F8, I8

__all__ = ["Layout", "NotStatic"]


class NotStatic(Exception):
    """The size of a tape is not a constant, so that the two sweeps cannot be separate functions."""


class Layout:
    """Places of stored values.

    `trip` gives trip numbers in the mirror, `value` what stands for a primal value there, `tape` is a given one or None.
    """

    def __init__(
        self, body: Region, nests: Nests, patches: Patches, trip: dict[Region, Value], value: Callable[[Value], Value], tape: Value | None
    ) -> None:
        self.body, self.nests, self.patches, self.trip, self.value, self.tape = body, nests, patches, trip, value, tape
        self.size = 0  # entries of the given tape
        self.slots: dict[tuple[Op | None, str], list[tuple[Value, Op]]] = {}  # (loop, dtype) -> stored values and their loads

    def claim(self, entries: int) -> int:
        """Reserve entries of the given tape."""
        start, self.size = self.size, self.size + entries
        return start

    def place(self) -> None:
        """Give every slot its place."""
        seen = 0
        while seen != len(self.slots):  # the trip counts of counted loops on growing tapes are needed too, and may need slots themselves
            seen = len(self.slots)
            for loop, _ in list(self.slots):
                if loop is not None and loop.name == "for" and self.nests.static(loop.regions[0]) is None:
                    self.value(loop.args[0])
        for loop, dtype in self.slots:
            self._place(loop, dtype)

    def _place(self, loop: Op | None, dtype: str) -> None:
        stored = self.slots[(loop, dtype)]
        if self.tape is not None:
            self._place_on_tape(loop, stored)
            return
        assert loop is not None
        nest = self.nests.static(loop.regions[0])
        if nest is not None:
            self._place_static(nest, loop, dtype, stored)
        elif loop.name == "for":
            self._place_counted(loop, dtype, stored)
        else:
            self._place_while(loop, dtype, stored)

    def _place_static(self, nest: list[Op], loop: Op, dtype: str, stored: list) -> None:
        prefix = self.patches.before.setdefault(self.nests.outermost(nest[0]), [])
        total = product(prefix, [o.args[0] for o in nest])
        size = emit(prefix, "multiply", [total, const(prefix, len(stored))])
        tape = Op("alloc", [size], ["*" + dtype], (), {"dtype": dtype, "zero": False})
        tape.result.hint = "tape"
        prefix.append(tape)
        body = loop.regions[0]
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = linear(puts, nest, [o.regions[0].params[0] for o in nest])
            puts.append(Op("store", [tape.result, _slot(puts, where, total, j), v], []))
            self.patches.once_known(body, v, puts)
            gets: list[Op] = []
            where = linear(gets, nest, [self.trip[o.regions[0]] for o in nest])
            load.args = [tape.result, _slot(gets, where, total, j)]
            insert_before(self.patches.in_mirror(body), load, gets)

    def _place_on_tape(self, loop: Op | None, stored: list) -> None:
        region = self.body if loop is None else loop.regions[0]
        nest = self.nests.static(region)
        if nest is None:
            raise NotStatic
        trips = constant_trips(nest)
        start = self.claim(trips * len(stored))
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = linear(puts, nest, [o.regions[0].params[0] for o in nest])
            place = emit(puts, "add", [where, const(puts, start + j * trips)])
            as_float = v
            if v.type != F8:
                cast = Op("cast", [v], [F8])
                puts.append(cast)
                as_float = cast.result
            puts.append(Op("store", [self.tape, place, as_float], []))  # type: ignore[list-item]
            self.patches.once_known(region, v, puts)
            gets: list[Op] = []
            where = linear(gets, nest, [self.trip[o.regions[0]] for o in nest])
            place = emit(gets, "add", [where, const(gets, start + j * trips)])
            load.args = [self.tape, place]
            if v.type != F8:  # the load's result keeps its type and its users; the float comes from another load
                raw = Op("load", load.args, [F8])
                gets.append(raw)
                load.name, load.args = "cast", [raw.result]
            insert_before(self.patches.in_mirror(region), load, gets)

    def _place_counted(self, loop: Op, dtype: str, stored: list) -> None:
        tape = self._growing(dtype)
        body, n = loop.regions[0], loop.args[0]
        prefix = self.patches.before.setdefault(loop, [])
        count = emit(prefix, "multiply", [n, const(prefix, len(stored))])
        reserve = Op("tape_reserve", [tape, count], [I8])
        prefix.append(reserve)
        back = self.patches.before_loop_in_mirror(loop)
        n_back = self.value(n)
        count = emit(back, "multiply", [n_back, const(back, len(stored))])
        release = Op("tape_release", [tape, count], [I8])
        back.append(release)
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = emit(puts, "add", [reserve.result, body.params[0]])
            puts.append(Op("tape_put", [tape, _slot(puts, where, n, j), v], []))
            self.patches.once_known(body, v, puts)
            gets: list[Op] = []
            where = emit(gets, "add", [release.result, self.trip[body]])
            load.name, load.args = "tape_get", [tape, _slot(gets, where, n_back, j)]
            insert_before(self.patches.in_mirror(body), load, gets)

    def _place_while(self, loop: Op, dtype: str, stored: list) -> None:
        tape = self._growing(dtype)
        body = loop.regions[0]
        head: list[Op] = []
        reserve = Op("tape_reserve", [tape, const(head, len(stored))], [I8])
        head.append(reserve)
        self.patches.after_value.setdefault(body, [])[:0] = [(body.params[0], op) for op in head]
        mirror = self.patches.in_mirror(body)
        back: list[Op] = []
        release = Op("tape_release", [tape, const(back, len(stored))], [I8])
        back.append(release)
        mirror[:0] = back
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = emit(puts, "add", [reserve.result, const(puts, j)])
            puts.append(Op("tape_put", [tape, where, v], []))
            self.patches.once_known(body, v, puts)
            gets: list[Op] = []
            where = emit(gets, "add", [release.result, const(gets, j)])
            load.name, load.args = "tape_get", [tape, where]
            insert_before(mirror, load, gets)

    def _growing(self, dtype: str) -> Value:
        op = Op("tape_new", [], ["tape:" + dtype], (), {"dtype": dtype})
        self.patches.top_prefix.append(op)
        return op.result


def _slot(where: list[Op], position: Value, total: Value, j: int) -> Value:
    if j == 0:
        return position
    return emit(where, "add", [position, emit(where, "multiply", [total, const(where, j)])])
