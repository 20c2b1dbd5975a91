"""Lowering of `for` and `while`: what a loop carries is found by lowering its body until that holds."""

from __future__ import annotations

import ast
from typing import Any

from sciad.frontend import expressions, iteration, statements
from sciad.frontend.branches import branch
from sciad.frontend.context import FLAGS, Context
from sciad.frontend.liveness import assigned, has_break, has_flow, has_return, live_before
from sciad.frontend.merge import children_of, describe, leaves_of, rebuild, same, weaken
from sciad.frontend.values import Array, Closure, Conflict, Iterator_, Maybe
from sciad.ir import Value
from sciad.types import B1, I8, is_buffer, promote

__all__ = ["for_loop", "while_loop"]

UNROLL_TRIPS, UNROLL_STATEMENTS = 4, 24


def for_loop(ctx: Context, node: ast.For, live: set[str]) -> None:
    iterator = iteration.iterate(ctx, expressions.evaluate(ctx, node.iter))
    trips = iterator.length.constant if iterator.static is None else iterator.static
    small = trips is not None and (trips <= UNROLL_TRIPS and trips * _size(node.body) <= UNROLL_STATEMENTS)
    flow = has_flow(node.body)
    if iterator.static is not None or (small and not flow):
        _unrolled(ctx, node, iterator, int(trips), live)
        return
    live_inside = _live_inside(ctx, node, live)
    names = _carried(node.body, node.target, live_inside, flow)

    def body(k: Value) -> None:
        ctx.lower_bound[k] = 0
        ctx.upper_bound[k] = (iterator.length, 0)
        statements.bind(ctx, node.target, expressions.settle(ctx, iterator.item(k)))
        _run_body(ctx, node, live_inside)

    if flow and iterator.checkpoint:
        raise ctx.error("break, continue or return in a loop over sciad.checkpoint(...)", "write its trip as a function")
    if flow:
        _leaving_loop(ctx, names, body, lambda k: ctx.b.compare("less", k, iterator.length))
    else:
        _counted(ctx, names, iterator.length, body, {"checkpoint": "loop"} if iterator.checkpoint else {})
    _else(ctx, node, live)


def _live_inside(ctx: Context, node: ast.For | ast.While, live: set[str]) -> set[str]:
    """Names that may be read at the end of the loop's body, or wherever a break or continue in it leads."""
    jump = ctx.frame.after_jump
    return live | live_before(node.orelse, live, jump, jump) | live_before([node], live, jump, jump) | ctx.frame.captured


def _run_body(ctx: Context, node: ast.For | ast.While, live_inside: set[str]) -> None:
    outer, ctx.frame.after_jump = ctx.frame.after_jump, live_inside
    try:
        statements.run(ctx, node.body, live_inside)
    finally:
        ctx.frame.after_jump = outer


def _size(statements: list[ast.stmt]) -> int:
    return sum(1 for s in statements for n in ast.walk(s) if isinstance(n, ast.stmt))


def _carried(body: list[ast.stmt], target: ast.expr | None, live: set[str], flow: bool) -> list[str]:
    changed = assigned(body)
    if target is not None:
        changed |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = sorted(changed & live)
    if flow and has_return(body):
        names += ["$ret", "$value"]
    if flow and has_break(body):
        names.append("$brk")
    return names


def _unrolled(ctx: Context, node: ast.For, iterator: Iterator_, trips: int, live: set[str]) -> None:
    """A loop over a tuple, or a very short one: its body once for each item, later trips guarded where an earlier one may leave."""

    live_inside = _live_inside(ctx, node, live)

    def trip(k: int) -> None:
        if k == trips:
            return
        statements.bind(ctx, node.target, expressions.settle(ctx, iterator.item(ctx.b.const(k))))
        _run_body(ctx, node, live_inside)
        inner = ctx.frame.env
        inner["$cont"] = ctx.b.const(False)
        leaving = statements.leaving(ctx)
        branch(ctx, ctx.b.logical_not(leaving), lambda: trip(k + 1), lambda: None)

    trip(0)
    _else(ctx, node, live)


def _else(ctx: Context, node: ast.For | ast.While, live: set[str]) -> None:
    """The else of a loop, which runs unless a break (or return) left the loop; then the loop's break is over."""
    env, b = ctx.frame.env, ctx.b
    left = b.logical_or(env["$brk"], env["$ret"])
    if "$dead" not in env:
        env["$brk"] = b.const(False)
        if node.orelse:
            branch(ctx, b.logical_not(left), lambda: statements.run(ctx, node.orelse, live), lambda: None)


def while_loop(ctx: Context, node: ast.While, live: set[str]) -> None:
    live_inside = _live_inside(ctx, node, live)
    flow = has_flow(node.body)
    names = _carried(node.body, None, live_inside, flow)

    def test() -> Value:
        ctx.at(node)
        return expressions.condition(ctx, node.test)

    always = isinstance(node.test, ast.Constant) and bool(node.test.value)
    if always and not has_break(node.body) and not flow:
        raise ctx.error("`while True` without break or return", "give the loop an end")
    _leaving_loop(ctx, names, lambda k: _run_body(ctx, node, live_inside), lambda k: test())
    if always and not has_break(node.body):
        ctx.frame.env["$ret"] = ctx.b.const(True)  # the only way out is a return
    _else(ctx, node, live)


class _Carry:
    """What a loop carries: for each name a structure whose leaves are loop parameters or fixed values; widened until it holds."""

    def __init__(self, ctx: Context, names: list[str]) -> None:
        self.ctx = ctx
        env = ctx.frame.env
        self.start: dict[str, Any] = {n: env[n] for n in names if n in env}
        self.missing = [n for n in names if n not in env]
        self.types: dict[str, list[str | None]] = {n: self._guess(v) for n, v in self.start.items()}

    @staticmethod
    def _guess(value: Any) -> list[str | None]:
        """Scalars vary; the parts of an array (buffer, offset, shape, strides) are taken to stay until the body says otherwise."""
        if isinstance(value, Value):
            return [value.type]
        if isinstance(value, Maybe):
            return [B1, *_Carry._guess(value.value)]
        if isinstance(value, Array):
            return [None] * len(leaves_of(value))
        children = children_of(value)
        if children:
            return [t for child in children for t in _Carry._guess(child)]
        return [v.type for v in leaves_of(value)]

    def parameters(self) -> list[Value]:
        """Fresh loop parameters, one for each varying leaf."""
        return [Value(t, None, n.strip("$")) for n in self.start for t in self.types[n] if t is not None]

    def environment(self, values: list[Value]) -> dict[str, Any]:
        """The carried variables with varying leaves taken from `values`."""
        queue = list(values)
        env = {}
        for name, value in self.start.items():
            leaves = [queue.pop(0) if t is not None else leaf for leaf, t in zip(leaves_of(value), self.types[name])]
            env[name] = rebuild(value, leaves)
        return env

    def initial(self) -> list[Value]:
        """The varying leaves before the loop, cast to the carried types."""
        out = []
        for name, value in self.start.items():
            for leaf, t in zip(leaves_of(value), self.types[name]):
                if t is not None:
                    out.append(leaf if is_buffer(t) else self.ctx.b.cast(leaf, t))
        return out

    def next(self, env: dict[str, Any]) -> list[Value] | None:
        """The varying leaves after a trip; None where the carried structure had to be widened, and the body must be lowered again."""
        widened = self._adopt_missing(env)
        out = []
        for name, start in list(self.start.items()):
            end = env[name]
            if isinstance(start, Conflict):
                continue
            if isinstance(end, Conflict):
                self._give_up(name, end)
                widened = True
                continue
            if isinstance(end, Maybe) and not isinstance(start, Maybe):
                self.start[name] = Maybe(self.ctx.b.const(True), start)
                self.types[name] = [B1, *self.types[name]]
                widened = True
                continue
            if isinstance(start, Maybe) and not isinstance(end, Maybe):
                end = Maybe(self.ctx.b.const(True), end)
            if not same(start, end):
                self._give_up(name, Conflict(f"it is {describe(start)} before the loop and {describe(end)} after a trip"))
                widened = True
                continue
            self.start[name] = weaken(start, end)
            widened |= self._fit(name, leaves_of(start), leaves_of(end), out)
            widened |= _contiguity(start) != _contiguity(self.start[name])
        return None if widened else out

    def _fit(self, name: str, starts: list[Value], ends: list[Value], out: list[Value]) -> bool:
        widened = False
        types = self.types[name]
        for position, (first, last, t) in enumerate(zip(starts, ends, types)):
            if t is None:
                equal = first is last or (first.constant is not None and first.type == last.type and first.constant == last.constant)
                if not equal:
                    types[position] = first.type
                    widened = True
            elif is_buffer(t):
                out.append(last)
            else:
                wide = promote(t, last.type)
                if wide != t:
                    types[position] = wide
                    widened = True
                else:
                    out.append(self.ctx.b.cast(last, t))
        return widened

    def _give_up(self, name: str, conflict: Conflict) -> None:
        self.start[name], self.types[name] = conflict, []

    def _adopt_missing(self, env: dict[str, Any]) -> bool:
        """Names first bound inside the loop are carried as maybe unbound, blank before the first trip."""
        found = [n for n in self.missing if n in env]
        for name in found:
            value = env[name]
            self.missing.remove(name)
            if isinstance(value, Closure):
                value = Conflict("it is a function defined inside the loop")
            if isinstance(value, Conflict):
                self._give_up(name, value)
                continue
            inner = value.value if isinstance(value, Maybe) else value
            self.pending = getattr(self, "pending", [])
            self.pending.append((name, inner))
        return bool(found)

    def settle_pending(self) -> None:
        """Make the blanks of newly carried names, outside the loop."""
        b = self.ctx.b
        for name, inner in getattr(self, "pending", []):
            blank = rebuild(inner, [b.zero(v.type) for v in leaves_of(inner)])
            self.start[name] = Maybe(b.const(False), blank)
            self.types[name] = [B1, *[v.type for v in leaves_of(inner)]]
        self.pending = []


def _contiguity(value: Any) -> list[bool]:
    if isinstance(value, Array):
        return [value.contiguous]
    if isinstance(value, Maybe):
        return _contiguity(value.value)
    return [c for child in children_of(value) for c in _contiguity(child)]


def _counted(ctx: Context, names: list[str], length: Value, body, attributes: dict[str, Any]) -> None:
    """A `for` whose trips are known when it starts."""
    if length.constant == 0:
        return
    b, frame = ctx.b, ctx.frame
    carry = _Carry(ctx, names)
    before = frame.env
    while True:
        carry.settle_pending()
        k, params = Value(I8, None, "k"), carry.parameters()
        frame.env = {**before, **carry.environment(params)}
        outer = b.enter([k, *params])
        body(k)
        nexts = carry.next(frame.env)
        region = b.leave(outer, nexts or [])
        if nexts is not None:
            break
    frame.env = before
    initial = carry.initial()
    op = b.emit("for", [length, *initial], [p.type for p in params], [region], **attributes)
    frame.env = {**before, **carry.environment(op.results)}


def _leaving_loop(ctx: Context, names: list[str], body, test) -> None:
    """A loop that goes on while `test` holds and no break or return has been met; `test` is lowered before it and at each trip's end."""
    b, frame = ctx.b, ctx.frame
    zero = b.const(0, I8)
    first = b.logical_and(test(zero), b.logical_not(frame.env["$ret"]))
    outer_cont = frame.env["$cont"]
    if first.constant is False:
        return
    carry = _Carry(ctx, names)
    before = frame.env
    while True:
        carry.settle_pending()
        k, params = Value(I8, None, "k"), carry.parameters()
        ctx.lower_bound[k] = 0
        frame.env = {**before, **carry.environment(params), **dict.fromkeys(FLAGS, b.const(False))}
        outer = b.enter([k, *params])
        body(k)
        frame.env["$cont"] = b.const(False)
        count = b.add(k, 1)
        ctx.lower_bound[count] = 1
        go = _go_on(ctx, lambda count=count: test(count))
        nexts = carry.next(frame.env)
        region = b.leave(outer, [go, count, *(nexts or [])])
        if nexts is not None:
            break
    frame.env = before
    initial = carry.initial()
    op = b.emit("while", [first, zero, *initial], [I8, *[p.type for p in params]], [region])
    frame.env = {**before, **carry.environment(op.results[1:])}
    frame.env["$cont"] = outer_cont


def _go_on(ctx: Context, test) -> Value:
    """Whether a trip is followed by another: no flag is up, and then the test, evaluated only in that case."""
    b, frame = ctx.b, ctx.frame
    if "$dead" in frame.env:
        return b.const(False)
    stop = b.logical_or(frame.env["$brk"], frame.env["$ret"])
    if stop.constant is True:
        return b.const(False)
    if stop.constant is False:
        return test()

    def then() -> None:
        frame.env["$go"] = test()

    def other() -> None:
        frame.env["$go"] = b.const(False)

    branch(ctx, b.logical_not(stop), then, other)
    return frame.env.pop("$go")
