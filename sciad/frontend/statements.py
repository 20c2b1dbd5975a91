"""Lowering of statements: assignment, branches, loops, and the flags that stand for break, continue and return.

Early exits become values: ``$brk``, ``$cont`` and ``$ret`` are booleans in the environment like any variable, so they join at branches and
are carried by loops; what follows a statement that may exit is guarded by them.  Where one branch always exits, the rest goes into the
other branch and no flag remains.
"""

from __future__ import annotations

import ast
import importlib
from typing import Any

from sciad.frontend import arrays, calls, expressions
from sciad.frontend.context import Context
from sciad.frontend.liveness import assigned, has_break, has_flow, has_return, live_before
from sciad.frontend.merge import Joiner, append_to, children_of, describe, leaves_of, rebuild, same, weaken
from sciad.frontend.values import Array, Closure, Conflict, Iterator_, Lazy, Maybe, Static, Tuple_
from sciad.ir import Region, Value
from sciad.types import B1, I8, is_buffer, is_float, promote

__all__ = ["run_body", "branch"]

FLAGS = ("$ret", "$brk", "$cont")
UNROLL_TRIPS, UNROLL_STATEMENTS = 4, 24


def run_body(ctx: Context, statements: list[ast.stmt]) -> Any:
    """Lower a function body in the current frame and give what it returns (Static(None) where it falls off the end)."""
    env = ctx.frame.env
    false = ctx.b.const(False)
    env.update(dict.fromkeys(FLAGS, false))
    run(ctx, statements, set())
    env = ctx.frame.env
    returned = env["$ret"]
    if "$value" not in env:
        return Static(None)
    value = env["$value"]
    if isinstance(value, Conflict):
        message = value.message.replace("it is", "it returns")
        raise ctx.error(f"function `{ctx.frame.name}`: {message}", "return one kind of value on every path")
    if returned.constant is not True:
        inner = value.value if isinstance(value, Maybe) else value
        if isinstance(inner, Static) and inner.object is None:
            return inner
        raise ctx.error(
            f"function `{ctx.frame.name}` returns {describe(inner)} on some paths and falls off its end on others",
            "add a return at the end",
        )
    return value.value if isinstance(value, Maybe) else value


def run(ctx: Context, statements: list[ast.stmt], live_after: set[str]) -> None:
    """Lower statements in order; stop where the code that follows cannot be reached."""
    for position, statement in enumerate(statements):
        rest = statements[position + 1 :]
        live = live_before(rest, live_after) | ctx.frame.captured
        if isinstance(statement, ast.If) and has_flow([statement]) and _branch_with_rest(ctx, statement, rest, live, live_after):
            return
        _statement(ctx, statement, live)
        leaving = _leaving(ctx)
        if leaving.constant is True:
            return
        if leaving.constant is None and rest:
            branch(ctx, ctx.b.logical_not(leaving), lambda rest=rest: run(ctx, rest, live_after), lambda: None)
            return


def _leaving(ctx: Context) -> Value:
    """Whether control has left the current statement list."""
    env, b = ctx.frame.env, ctx.b
    return b.logical_or(env["$ret"], b.logical_or(env["$brk"], env["$cont"]))


def _always_exits(statements: list[ast.stmt]) -> bool:
    """Whether a statement list certainly ends in return, raise, break or continue."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
        return True
    return isinstance(last, ast.If) and bool(last.orelse) and _always_exits(last.body) and _always_exits(last.orelse)


def _branch_with_rest(ctx: Context, node: ast.If, rest: list[ast.stmt], live: set[str], live_after: set[str]) -> bool:
    """Lower an if whose one branch always exits, with the rest of the list inside the other; False where that does not apply."""
    first, second = _always_exits(node.body), _always_exits(node.orelse)
    if first == second:
        return False
    ctx.at(node)
    cond = expressions.condition(ctx, node.test)
    if cond.constant is not None:
        run(ctx, (node.body if cond.constant else node.orelse) + rest, live_after)
        return True
    then = node.body if first else node.body + rest
    other = node.orelse + rest if first else node.orelse
    branch(ctx, cond, lambda: run(ctx, then, live_after), lambda: run(ctx, other, live_after))
    return True


def _statement(ctx: Context, node: ast.stmt, live: set[str]) -> None:
    ctx.at(node)
    handler = _STATEMENTS.get(type(node))
    if handler is None:
        raise ctx.error(*_REFUSED.get(type(node), (f"statement `{type(node).__name__.lower()}`", "move it out of the compiled function")))
    handler(ctx, node, live)


_REFUSED = {
    ast.Try: ("try/except", "test the condition with an if; exceptions are not differentiated"),
    ast.With: ("with", "open the context outside the compiled function"),
    ast.Global: ("global", "pass the value as an argument and return its new value"),
    ast.Nonlocal: ("nonlocal", "return the new value from the inner function"),
    ast.ClassDef: ("class inside a function", "define it at module level"),
    ast.AsyncFunctionDef: ("async def", "write a plain def"),
    ast.Delete: ("del", "leave the name, or use another one"),
}


# -- branches -----------------------------------------------------------------------------------------------------------------------
def _if(ctx: Context, node: ast.If, live: set[str]) -> None:
    cond = expressions.condition(ctx, node.test)
    if cond.constant is not None:
        run(ctx, node.body if cond.constant else node.orelse, live)
        return
    branch(ctx, cond, lambda: run(ctx, node.body, live), lambda: run(ctx, node.orelse, live))


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


# -- loops --------------------------------------------------------------------------------------------------------------------------
def _for(ctx: Context, node: ast.For, live: set[str]) -> None:
    iterator = calls.iterate(ctx, expressions.evaluate(ctx, node.iter))
    trips = iterator.length.constant if iterator.static is None else iterator.static
    small = trips is not None and (trips <= UNROLL_TRIPS and trips * _size(node.body) <= UNROLL_STATEMENTS)
    flow = has_flow(node.body)
    if iterator.static is not None or (small and not flow):
        _unrolled(ctx, node, iterator, int(trips), live)
        return
    live_else = live_before(node.orelse, live)
    head = live_before([node], live) | ctx.frame.captured
    names = _carried(node.body, node.target, head | live_else, flow)

    def body(k: Value) -> None:
        ctx.lower_bound[k] = 0
        ctx.upper_bound[k] = (iterator.length, 0)
        bind(ctx, node.target, expressions.settle(ctx, iterator.item(k)))
        run(ctx, node.body, head | live_else)

    if flow:
        _leaving_loop(ctx, names, body, lambda k: ctx.b.compare("less", k, iterator.length))
    else:
        _counted(ctx, names, iterator.length, body)
    _else(ctx, node, live)


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

    def trip(k: int) -> None:
        if k == trips:
            return
        bind(ctx, node.target, expressions.settle(ctx, iterator.item(ctx.b.const(k))))
        run(ctx, node.body, live_before([node], live))
        inner = ctx.frame.env
        inner["$cont"] = ctx.b.const(False)
        leaving = _leaving(ctx)
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
            branch(ctx, b.logical_not(left), lambda: run(ctx, node.orelse, live), lambda: None)


def _while(ctx: Context, node: ast.While, live: set[str]) -> None:
    live_else = live_before(node.orelse, live)
    head = live_before([node], live) | ctx.frame.captured
    flow = has_flow(node.body)
    names = _carried(node.body, None, head | live_else, flow)

    def test() -> Value:
        ctx.at(node)
        return expressions.condition(ctx, node.test)

    always = isinstance(node.test, ast.Constant) and bool(node.test.value)
    if always and not has_break(node.body) and not flow:
        raise ctx.error("`while True` without break or return", "give the loop an end")
    _leaving_loop(ctx, names, lambda k: run(ctx, node.body, head | live_else), lambda k: test())
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


def _counted(ctx: Context, names: list[str], length: Value, body) -> None:
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
    op = b.emit("for", [length, *initial], [p.type for p in params], [region])
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


# -- assignment ---------------------------------------------------------------------------------------------------------------------
def _assign(ctx: Context, node: ast.Assign, live: set[str]) -> None:
    value = expressions.settle(ctx, expressions.evaluate(ctx, node.value, store_next=isinstance(node.targets[0], ast.Subscript)))
    for target in node.targets:
        bind(ctx, target, value)


def _annotated(ctx: Context, node: ast.AnnAssign, live: set[str]) -> None:
    if node.value is not None:
        bind(ctx, node.target, expressions.settle(ctx, expressions.evaluate(ctx, node.value)))


def bind(ctx: Context, target: ast.expr, value: Any) -> None:
    """Assign a value to a target: name, subscript, or tuple of targets."""
    if isinstance(target, ast.Name):
        ctx.frame.env[target.id] = expressions.stored(ctx, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        starred = any(isinstance(t, ast.Starred) for t in target.elts)
        items = calls.items_of(ctx, value, None if starred else len(target.elts))
        if starred:
            items = _starred(ctx, target, items)
        if len(items) != len(target.elts):
            raise ctx.error(f"{len(items)} values for {len(target.elts)} names", "unpack as many names as there are values")
        for inner, item in zip(target.elts, items):
            bind(ctx, inner.value if isinstance(inner, ast.Starred) else inner, item)
    elif isinstance(target, ast.Subscript):
        base = expressions.evaluate(ctx, target.value)
        arrays.assign(ctx, base, expressions.index_of(ctx, target.slice), value)
    elif isinstance(target, ast.Attribute):
        raise ctx.error(f"assignment to attribute `.{target.attr}`", "return the new value, or write into an array element")
    else:
        raise ctx.error(f"assignment to `{type(target).__name__}`", "assign to names, subscripts and tuples of them")


def _starred(ctx: Context, target: ast.Tuple | ast.List, items: list) -> list:
    position = next(i for i, t in enumerate(target.elts) if isinstance(t, ast.Starred))
    after = len(target.elts) - position - 1
    end = len(items) - after
    return items[:position] + [Tuple_(items[position:end], list)] + items[end:]


def _augmented(ctx: Context, node: ast.AugAssign, live: set[str]) -> None:
    name = expressions.OPERATORS.get(type(node.op))
    if name is None:
        raise ctx.error(f"operator `{type(node.op).__name__}=`", "write the assignment out")
    if isinstance(node.target, ast.Name):
        current = ctx.lookup(node.target.id)
        value = expressions.evaluate(ctx, node.value)
        if isinstance(current, Array):  # in place: every alias sees it
            arrays.assign(ctx, current, [], _in_place(ctx, name, current, value), whole=True)
        else:
            ctx.frame.env[node.target.id] = expressions.stored(ctx, expressions.settle(ctx, expressions.binary(ctx, name, current, value)))
    elif isinstance(node.target, ast.Subscript):
        base = expressions.evaluate(ctx, node.target.value)
        index = expressions.index_of(ctx, node.target.slice)
        current = arrays.subscript(ctx, base, index, augmented=True)
        value = expressions.evaluate(ctx, node.value)
        whole = isinstance(current, (Array, Lazy))
        arrays.assign(ctx, base, index, _in_place(ctx, name, current, value) if whole else expressions.binary(ctx, name, current, value))
    else:
        raise ctx.error("augmented assignment to an attribute", "return the new value")


def _in_place(ctx: Context, name: str, current: Array | Lazy, value: Any) -> Any:
    """The new contents of an array; NumPy refuses floats for an array of ints where a plain store would cut them off."""
    made = expressions.binary(ctx, name, current, value)
    if isinstance(made, (Array, Lazy)) and is_float(made.scalar) and not is_float(current.scalar):
        raise ctx.error("augmented assignment of floats to an array of ints", "make the array one of floats")
    return made


# -- the rest -----------------------------------------------------------------------------------------------------------------------
def _return(ctx: Context, node: ast.Return, live: set[str]) -> None:
    env = ctx.frame.env
    value = Static(None) if node.value is None else expressions.settle(ctx, expressions.evaluate(ctx, node.value))
    env = ctx.frame.env
    env["$value"] = expressions.stored(ctx, value)
    env["$ret"] = ctx.b.const(True)


def _raise(ctx: Context, node: ast.Raise, live: set[str]) -> None:
    name, message = "RuntimeError", f"raised at {ctx.frame.filename}:{ctx.line}"
    exception = node.exc
    if isinstance(exception, ast.Call):
        if exception.args and isinstance(exception.args[0], ast.Constant):
            message = str(exception.args[0].value)
        exception = exception.func
    if isinstance(exception, ast.Name):
        name = exception.id
    ctx.b.check(ctx.b.const(False), name, message)
    ctx.frame.env["$ret"] = ctx.b.const(True)
    ctx.frame.env["$dead"] = True


def _assert(ctx: Context, node: ast.Assert, live: set[str]) -> None:
    message = str(node.msg.value) if isinstance(node.msg, ast.Constant) else f"assertion at {ctx.frame.filename}:{ctx.line}"
    ctx.b.check(expressions.condition(ctx, node.test), "AssertionError", message)


def _expression(ctx: Context, node: ast.Expr, live: set[str]) -> None:
    if isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node.value, (ast.Yield, ast.YieldFrom)):
        raise ctx.error("yield", "fill an array and return it")
    expressions.evaluate(ctx, node.value)


def _break(ctx: Context, node: ast.Break, live: set[str]) -> None:
    ctx.frame.env["$brk"] = ctx.b.const(True)


def _continue(ctx: Context, node: ast.Continue, live: set[str]) -> None:
    ctx.frame.env["$cont"] = ctx.b.const(True)


def _function(ctx: Context, node: ast.FunctionDef, live: set[str]) -> None:
    if node.decorator_list:
        ctx.at(node.decorator_list[0])
        raise ctx.error(f"decorator on the inner function `{node.name}`", "decorate at module level")
    ctx.frame.env[node.name] = Closure(node, ctx.frame, node.name, expressions.defaults_of(ctx, node.args))


def _import(ctx: Context, node: ast.Import | ast.ImportFrom, live: set[str]) -> None:
    for alias in node.names:
        if isinstance(node, ast.Import):
            module, first = importlib.import_module(alias.name), alias.name.split(".")[0]
            ctx.frame.env[alias.asname or first] = Static(module if alias.asname else importlib.import_module(first))
        else:
            ctx.frame.env[alias.asname or alias.name] = Static(getattr(importlib.import_module(node.module or ""), alias.name))


_STATEMENTS = {
    ast.If: _if,
    ast.For: _for,
    ast.While: _while,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Expr: _expression,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.FunctionDef: _function,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.Pass: lambda ctx, node, live: None,
}
