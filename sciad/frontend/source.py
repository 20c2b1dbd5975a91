"""From a function object to its syntax tree, file and line."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from functools import lru_cache
from types import CodeType, FunctionType
from typing import NamedTuple

from sciad.errors import UnsupportedSyntax

__all__ = ["Source", "source_of", "python_function"]


class Source(NamedTuple):
    """The parsed definition of a function: a FunctionDef or Lambda node, its file, and the line offset to add to node lines."""

    node: ast.FunctionDef | ast.Lambda
    filename: str
    offset: int
    text: str


def python_function(function):
    """The plain Python function behind a numba dispatcher, a `sciad.jit` function or a wrapper; else the object itself."""
    for attribute in ("py_func", "__sciad_function__"):
        inner = getattr(function, attribute, None)
        if isinstance(inner, FunctionType):
            return inner
    return function


def source_of(function: FunctionType) -> Source:
    """Syntax tree of a function; raises UnsupportedSyntax where no source can be found."""
    return _source_of_code(function.__code__, function.__qualname__)


@lru_cache(maxsize=1024)
def _source_of_code(code: CodeType, name: str) -> Source:
    try:
        lines, first = _lines(code)
    except (OSError, TypeError) as error:
        raise UnsupportedSyntax(
            f"the source of `{name}` is not available",
            "define it in a file (not in a string or a bare interpreter)",
            filename=code.co_filename,
            line=code.co_firstlineno,
        ) from error
    if code.co_name == "<lambda>":
        node = _lambda_by_position(code)
        if node is not None:
            return Source(node, code.co_filename, 0, "".join(lines))
    text = textwrap.dedent("".join(lines))
    node = _find(_parse(text, name, code), code)
    return Source(node, code.co_filename, first - 1, text)


def _lines(code: CodeType) -> tuple[list[str], int]:
    """What `inspect.getsourcelines` gives; for what begins as functions do, without its look at the files of all modules (20 ms)."""
    linecache.checkcache(code.co_filename)
    rest = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    if rest and rest[0].lstrip().startswith(("def ", "@")):
        return inspect.getblock(rest), code.co_firstlineno
    return inspect.getsourcelines(code)


def _lambda_by_position(code: CodeType) -> ast.Lambda | None:
    """The lambda in its whole file, found by the place of its body (Python 3.11 and later keep it); None where that does not tell."""
    try:
        tree = _file(code.co_filename, "".join(linecache.getlines(code.co_filename)))
        places = {p for p in code.co_positions() if None not in p}  # type: ignore[attr-defined]
    except (SyntaxError, AttributeError):
        return None
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            body = node.body
            if (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset) in places:
                found.append(node)
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=64)
def _file(filename: str, text: str) -> ast.Module:
    return ast.parse(text)


def _parse(text: str, name: str, code: CodeType) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:
        pass
    try:  # a lambda inside a call that spans lines: what getsource returns is a fragment
        start = text.index("lambda")
        for end in range(len(text), start, -1):
            try:
                return ast.parse("(" + text[start:end].strip().rstrip(",") + ")")
            except SyntaxError:
                continue
    except ValueError:
        pass
    raise UnsupportedSyntax(
        f"the source of `{name}` cannot be parsed on its own", "write it as a def", filename=code.co_filename, line=code.co_firstlineno
    )


def _find(tree: ast.Module, code: CodeType) -> ast.FunctionDef | ast.Lambda:
    candidates = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
    if code.co_name != "<lambda>":
        for node in candidates:
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                return node
    lambdas = [n for n in candidates if isinstance(n, ast.Lambda)]
    if len(lambdas) == 1:
        return lambdas[0]
    for node in lambdas:  # several lambdas on one line: the compiled bodies tell them apart
        compiled = compile(ast.Expression(node), code.co_filename, "eval").co_consts
        inner = next(c for c in compiled if isinstance(c, CodeType))
        if all(getattr(inner, what) == getattr(code, what) for what in ("co_code", "co_names", "co_varnames", "co_consts")):
            return node
    what = "async function" if any(isinstance(n, ast.AsyncFunctionDef) for n in ast.walk(tree)) else "lambda among several on one line"
    raise UnsupportedSyntax(f"{what} `{code.co_name}`", "write it as a plain def", filename=code.co_filename, line=code.co_firstlineno)
