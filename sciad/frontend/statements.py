"""Lowering of statements: assignment, branches, loops, and the flags that stand for break, continue and return.

Early exits become values: ``$brk``, ``$cont`` and ``$ret`` are booleans in the environment like any variable, so they join at branches and
are carried by loops; what follows a statement that may exit is guarded by them.  Where one branch always exits, the rest goes into the
other branch and no flag remains.
"""

from __future__ import annotations

import ast
import importlib
from typing import Any

from sciad.frontend import arrays, expressions, iteration, loops
from sciad.frontend.branches import branch
from sciad.frontend.context import FLAGS, Context
from sciad.frontend.liveness import has_flow, live_before
from sciad.frontend.merge import describe
from sciad.frontend.values import Array, Closure, Conflict, Lazy, Maybe, Static, Tuple_
from sciad.ir import Value
from sciad.types import is_float

__all__ = ["bind", "leaving", "run", "run_body"]


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
        live = live_before(rest, live_after, ctx.frame.after_jump, ctx.frame.after_jump) | ctx.frame.captured
        if isinstance(statement, ast.If) and has_flow([statement]) and _branch_with_rest(ctx, statement, rest, live, live_after):
            return
        _statement(ctx, statement, live)
        left = leaving(ctx)
        if left.constant is True:
            return
        if left.constant is None and rest:
            branch(ctx, ctx.b.logical_not(left), lambda rest=rest: run(ctx, rest, live_after), lambda: None)
            return


def leaving(ctx: Context) -> Value:
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


def _if(ctx: Context, node: ast.If, live: set[str]) -> None:
    cond = expressions.condition(ctx, node.test)
    if cond.constant is not None:
        run(ctx, node.body if cond.constant else node.orelse, live)
        return
    branch(ctx, cond, lambda: run(ctx, node.body, live), lambda: run(ctx, node.orelse, live))


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
        items = iteration.items_of(ctx, value, None if starred else len(target.elts))
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
        current = expressions.fixed(ctx, arrays.subscript(ctx, base, index, augmented=True), node.value)
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
        if (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0] not in ("math", "cmath", "numpy"):
            ctx.inlined.append((None, None))
        if isinstance(node, ast.Import):
            module, first = importlib.import_module(alias.name), alias.name.split(".")[0]
            ctx.frame.env[alias.asname or first] = Static(module if alias.asname else importlib.import_module(first))
        else:
            ctx.frame.env[alias.asname or alias.name] = Static(getattr(importlib.import_module(node.module or ""), alias.name))


_STATEMENTS = {
    ast.If: _if,
    ast.For: lambda ctx, node, live: loops.for_loop(ctx, node, live),  # looked up late: loops lower statements in turn
    ast.While: lambda ctx, node, live: loops.while_loop(ctx, node, live),
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
