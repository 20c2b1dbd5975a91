"""A function and its pullback as one region: the primal sweep, then the mirror that turns cotangents of outputs into those of inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sciad.fold import fold
from sciad.ir import Builder, Region, Value
from sciad.passes.activity import Activity
from sciad.passes.checkpoint import keep_states
from sciad.passes.pin import pin
from sciad.passes.reverse import Reverse
from sciad.passes.save import Saver
from sciad.passes.structure import Structure
from sciad.passes.tape_layout import NotStatic
from sciad.passes.tidy import tidy
from sciad.passes.twins import add_twins
from sciad.types import is_buffer
from sciad.verify import verified

__all__ = ["pullback", "split_pullback"]


def pullback(
    body: Region, wrt: Sequence[Value], outputs: Sequence[int], inout: Sequence[Value], lengths: Collection[Value] = ()
) -> Region:
    """The fused primal and reverse sweep.

    `wrt` are parameters to differentiate, `outputs` positions of results that have cotangents, `inout` buffer parameters whose final
    contents have.  The new region's parameters are those of `body`, then a shadow buffer for each buffer of `wrt` and `inout` (holding the
    cotangent of the final contents on entry, of the initial contents on exit), then for each of `outputs` the cotangent: a scalar, or a
    buffer that is used up; `lengths` are parameters that are never negative.  Its results are those of `body`, then the cotangent of each
    scalar of `wrt`.  `body` is used up.
    """
    structure = Structure(body)
    if keep_states(body, structure):
        structure = Structure(body)
    seeded = [body.results[k] for k in outputs]
    activity = Activity(structure, wrt, [*seeded, *inout])
    if pin(body, structure, activity):
        structure = Structure(body)
        activity = Activity(structure, wrt, [*seeded, *inout])
    shadows: dict[Value, Value] = {}
    for p in dict.fromkeys([*wrt, *inout]):
        if is_buffer(p.type):
            shadows[p] = Value(p.type, None, f"{p.hint}_bar")
    seeds = [Value(r.type, None, f"{r.hint or 'out'}_bar") for r in seeded]
    given = dict(shadows)
    for r, seed in zip(seeded, seeds):
        if is_buffer(r.type):
            given[r] = seed
    if add_twins(body, structure, activity, given):
        structure = Structure(body)
        activity = Activity(structure, wrt, [*seeded, *inout])
    b = Builder(fold)
    outer = b.enter()
    sweep = Reverse(body, b, activity, structure, given)
    sweep.run([(r, seed) for r, seed in zip(seeded, seeds) if not is_buffer(r.type)])
    scalars = [sweep.adjoints.get(p) or b.const(0, p.type) for p in wrt if not is_buffer(p.type)]
    mirror = b.leave(outer, scalars)
    saver = Saver(body, structure, sweep.mirror, sweep.trip, lengths=lengths)
    saver.run(mirror.ops, sweep.prologue)
    done = Region([*body.params, *shadows.values(), *seeds])
    done.ops = [*saver.top_prefix, *body.ops, *mirror.ops]
    done.results = [*body.results, *[saver.value(v) for v in scalars]]
    return tidy(verified(done, "pullback"))


def split_pullback(body: Region, wrt: Sequence[Value], output: Value, tape: Value) -> tuple[Region, Region, dict[Value, Value], int] | None:
    """Primal and reverse sweep as two regions that share a float64 tape of constant size; None where the size is not constant.

    `output` is the buffer parameter whose final contents have cotangents.  Gives the primal region (parameters of `body`, then the tape),
    the reverse region (the same parameters, but `output` unused, then a shadow for each buffer of `wrt` and for `output`; results: the
    cotangents of the scalars of `wrt`), the shadows, and the number of entries of the tape.  `body` is used up.
    """
    structure = Structure(body)
    activity = Activity(structure, wrt, [output])
    if pin(body, structure, activity):
        structure = Structure(body)
        activity = Activity(structure, wrt, [output])
    shadows = {p: Value(p.type, None, f"{p.hint}_bar") for p in dict.fromkeys([*wrt, output]) if is_buffer(p.type)}
    given = dict(shadows)
    if add_twins(body, structure, activity, given):
        return None  # memory chosen at run time cannot travel on a tape of numbers
    b = Builder(fold)
    outer = b.enter()
    sweep = Reverse(body, b, activity, structure, given)
    sweep.run([])
    scalars = [sweep.adjoints.get(p) or b.const(0, p.type) for p in wrt if not is_buffer(p.type)]
    mirror = b.leave(outer, scalars)
    saver = Saver(body, structure, sweep.mirror, sweep.trip, tape, unseen=[output])
    try:
        saver.run(mirror.ops, sweep.prologue)
    except NotStatic:
        return None
    reverse = Region([*body.params, tape, *shadows.values()])
    reverse.results = [saver.value(v) for v in scalars]
    reverse.ops = mirror.ops
    primal = Region([*body.params, tape])
    primal.ops, primal.results = [*saver.top_prefix, *body.ops], []
    primal, reverse = (tidy(verified(region, "split pullback")) for region in (primal, reverse))
    return primal, reverse, shadows, saver.tape_size
