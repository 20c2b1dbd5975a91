"""Two alternatives of which one runs: both are lowered, and what variables hold is joined."""

from __future__ import annotations

from typing import Any

from sciad.frontend.context import Context
from sciad.frontend.merge import Joiner, append_to, leaves_of, rebuild
from sciad.frontend.values import Conflict
from sciad.ir import Region, Value

__all__ = ["branch"]


def branch(ctx: Context, cond: Value, then, other) -> None:
    """Lower two alternatives and join the environments."""
    frame, b = ctx.frame, ctx.b
    if cond.constant is not None:
        (then if cond.constant else other)()
        return
    before = frame.env
    done = []
    for alternative in (then, other):
        frame.env = dict(before)
        outer = b.enter()
        alternative()
        done.append((frame.env, b.leave(outer)))
    (env_a, region_a), (env_b, region_b) = done
    dead_a, dead_b = "$dead" in env_a, "$dead" in env_b
    joiner = Joiner(b, cond, region_a, region_b)
    if dead_a and dead_b:
        frame.env = env_a
    else:
        joined = {}
        for name in {**env_a, **env_b}:
            x, y = env_a.get(name), env_b.get(name)
            if x is y:
                joined[name] = x
            elif name != "$dead":
                joined[name] = _join(joiner, x, y, dead_a and name != "$dead", dead_b, region_a, region_b, b)
        frame.env = joined
    for region, side in ((region_a, 0), (region_b, 1)):
        region.results = [pair[side] for pair in joiner.pairs]
    if region_a.ops or region_b.ops or joiner.pairs:
        op = b.emit("if", [cond], [pair[2] for pair in joiner.pairs], [region_a, region_b])
        frame.env = {n: joiner.resolve(v, op.results) for n, v in frame.env.items()}


def _join(joiner: Joiner, x: Any, y: Any, dead_x: bool, dead_y: bool, region_x: Region, region_y: Region, b) -> Any:
    """Join one variable; a branch that raises contributes a blank, since nobody reads it."""
    if dead_x and y is not None and not isinstance(y, Conflict):
        with append_to(b, region_x):
            x = rebuild(y, [_blank(b, v) for v in leaves_of(y)])
    elif dead_y and x is not None and not isinstance(x, Conflict):
        with append_to(b, region_y):
            y = rebuild(x, [_blank(b, v) for v in leaves_of(x)])
    return joiner.join(x, y)


def _blank(b, v: Value) -> Value:
    """What stands for a value on a path that raises: the same constant, so that it stays one, else zero."""
    return b.zero(v.type) if v.constant is None else b.const(v.constant, v.type)
