"""Which names a statement list assigns, and which it may read before assigning them (backward liveness on the syntax tree)."""

from __future__ import annotations

import ast

__all__ = ["assigned", "live_before", "has_flow", "has_break", "has_return", "reads", "same_scope", "captured_by_inner"]


def assigned(statements: list[ast.stmt]) -> set[str]:
    """Names that the statements may bind in their own scope."""
    found: set[str] = set()
    for statement in statements:
        for node in same_scope(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                found.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
    return found


def same_scope(node: ast.AST):
    """Nodes below and including `node` without nested functions and the variables of comprehensions, whose names are another scope."""
    yield node
    if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.comprehension) and child is node.target):
            yield from same_scope(child)


def reads(node: ast.AST) -> set[str]:
    """Names that the node may read; nested functions count as reading all they mention."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def captured_by_inner(statements: list[ast.stmt]) -> set[str]:
    """Names that functions defined in the statements mention."""
    inner = (n for s in statements for n in ast.walk(s) if isinstance(n, (ast.FunctionDef, ast.Lambda)))
    return set().union(*[reads(node) for node in inner])


def has_flow(statements: list[ast.stmt]) -> bool:
    """Whether a break or continue of this loop level, or a return or raise, occurs in the statements."""
    return any(_has_flow(s, True) for s in statements)


def _has_flow(node: ast.stmt, own_level: bool) -> bool:
    if isinstance(node, (ast.Return, ast.Raise)):
        return True
    if isinstance(node, (ast.Break, ast.Continue)):
        return own_level
    if isinstance(node, ast.If):
        return any(_has_flow(s, own_level) for s in node.body + node.orelse)
    if isinstance(node, (ast.For, ast.While)):
        return any(_has_flow(s, False) for s in node.body) or any(_has_flow(s, own_level) for s in node.orelse)
    if isinstance(node, ast.With):
        return any(_has_flow(s, own_level) for s in node.body)
    return False


def has_return(statements: list[ast.stmt]) -> bool:
    """Whether a return occurs anywhere in the statements, inner functions aside."""
    return any(isinstance(n, ast.Return) for s in statements for n in same_scope(s))


def has_break(statements: list[ast.stmt]) -> bool:
    """Whether a break of this loop level occurs in the statements."""
    for s in statements:
        if isinstance(s, ast.Break):
            return True
        if isinstance(s, ast.If) and has_break(s.body + s.orelse):
            return True
        if isinstance(s, (ast.For, ast.While)) and has_break(s.orelse):
            return True
    return False


def live_before(
    statements: list[ast.stmt], after: set[str], on_break: set[str] | None = None, on_continue: set[str] | None = None
) -> set[str]:
    """Names whose value before the statements may still be read, given those read afterwards."""
    live = set(after)
    for statement in reversed(statements):
        live = _before(statement, live, on_break or set(), on_continue or set())
    return live


def _before(node: ast.stmt, live: set[str], on_break: set[str], on_continue: set[str]) -> set[str]:
    if isinstance(node, ast.Return):
        return reads(node)
    if isinstance(node, ast.Raise):
        return reads(node)
    if isinstance(node, ast.Break):
        return set(on_break)
    if isinstance(node, ast.Continue):
        return set(on_continue)
    if isinstance(node, ast.If):
        branches = live_before(node.body, live, on_break, on_continue) | live_before(node.orelse, live, on_break, on_continue)
        return branches | reads(node.test)
    if isinstance(node, (ast.For, ast.While)):
        return _before_loop(node, live, on_break, on_continue)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        kills: set[str] = set()
        for target in targets:
            kills |= _bound(target)
        return (live - kills) | reads(node)
    return live | reads(node) | ({node.target.id} if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) else set())


def _before_loop(node: ast.For | ast.While, after: set[str], on_break: set[str], on_continue: set[str]) -> set[str]:
    after_else = live_before(node.orelse, after, on_break, on_continue)
    head = set(after_else)
    kills = _bound(node.target) if isinstance(node, ast.For) else set()
    condition = reads(node.test) if isinstance(node, ast.While) else set()
    while True:
        body = live_before(node.body, head | condition, after, head | condition)
        grown = head | (body - kills) | condition
        if grown == head:
            break
        head = grown
    return head | (reads(node.iter) if isinstance(node, ast.For) else set())


def _bound(target: ast.expr) -> set[str]:
    """Names bound by an assignment target (not those that it stores into, as in ``x[i] = ...``)."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*[_bound(t) for t in target.elts]) if target.elts else set()
    if isinstance(target, ast.Starred):
        return _bound(target.value)
    return set()
