"""The right-hand side of an ODE as compiled C functions: what solvers and adjoints receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sciad.errors import MissingRule

__all__ = ["Inline", "Rhs"]


class Inline(NamedTuple):
    """Where the generated function behind ``f`` is, ``int64 name(t, y, p, dy)`` of n states, so short that steps may contain it."""

    module: str
    name: str
    n: int


def _missing(name: str) -> Callable[[], int]:
    def build() -> int:
        raise MissingRule(f"this right-hand side offers no `{name}`; pass {name}=<callable returning the address> to Rhs")

    return build


@dataclass(frozen=True, eq=False)
class Rhs:
    """y' = f(t, y, p) with n states and n_p parameters, given by addresses of C functions on float64 memory.

    Every function returns int64: 0, or not 0 to abort the solve.  Pointers are passed as intp.

    - ``f``: ``f(t, y, p, dy)``;
    - ``aug()``: ``aug(t, y, p, dy, tape)``, f that also writes ``tape_size`` entries for its reverse;
    - ``rev()``: ``rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar)``, which adds J^T dy_bar, f_p^T dy_bar and f_t . dy_bar;
    - ``jvp()``: ``jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot)``;
    - ``jac()``: ``jac(t, y, p, J)``, row-major n x n;
    - ``jvp_rev()``: ``jvp_rev(t, t_dot, y, y_dot, p, dy_bar, dy_dot_bar, y_bar, y_dot_bar, p_bar, t_bar)``, the reverse of jvp for
      p_dot = 0, which adds second-order products;
    - ``jvp_dot()``: ``jvp_dot(t, t_two, y, y_two, y_dot, y_dot_two, p, p_dot, out)``, the tangent of f_y y_dot + f_p p_dot where t, y and
      y_dot move; out holds zeros.

    All but the first are callables that return an address; they are called at most once, when first needed.  ``tape_entries``
    is called after ``aug``.  ``inline()`` says where the source of a short f is.  ``autonomous`` says that f does not depend on t.
    ``jac_kind`` is "python" where ``jac`` calls Python and "constant" where J is one matrix: Newton iterations keep such longer.
    ``owner`` is anything that must stay alive as long as the addresses are in use.
    Raises MissingRule where a function is needed that was not given.
    """

    f: int
    n: int
    n_p: int
    aug: Callable[[], int] = _missing("aug")
    rev: Callable[[], int] = _missing("rev")
    jvp: Callable[[], int] = _missing("jvp")
    jac: Callable[[], int] = _missing("jac")
    jvp_rev: Callable[[], int] = _missing("jvp_rev")
    jvp_dot: Callable[[], int] = _missing("jvp_dot")
    tape_entries: Callable[[], int] = lambda: 0
    inline: Callable[[], Inline | None] = lambda: None
    autonomous: bool = False
    jac_kind: str = "compiled"
    owner: Any = None

    def __post_init__(self) -> None:
        for name in ("aug", "rev", "jvp", "jac", "jvp_rev", "jvp_dot", "tape_entries", "inline"):
            object.__setattr__(self, name, cache(getattr(self, name)))

    @classmethod
    def of(cls, field: Any) -> Rhs:
        """The right-hand side of a compiled `sciad.field.Field`, or of what offers some of its forms."""
        names = "aug", "rev", "jvp", "jac", "jvp_rev", "jvp_dot"
        offered = {name: (lambda name=name: getattr(field, name)) for name in names if hasattr(type(field), name)}
        entries = {"tape_entries": lambda: field.tape_size, "autonomous": field.autonomous, "owner": field}
        if getattr(field, "inline", None) is not None:
            entries["inline"] = lambda: Inline(*field.inline, field.n)
        entries["jac_kind"] = "python" if getattr(field, "calls_python", False) else "compiled"
        return cls(field.f, field.n, field.n_p, **offered, **entries)

    @property
    def tape_size(self) -> int:
        """Entries of float64 that ``aug`` writes and ``rev`` reads."""
        self.aug()
        return self.tape_entries()
