"""How a nonlinear solve ended: SciPy's result, with status codes and sentences that name the cause and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sciad.solvers.nonlinear import slots as s
from sciad.tape import value_of

__all__ = ["Result", "Converged", "STATUS", "explain"]


class Result:
    """Fields as attributes or, as in SciPy's `OptimizeResult`, by key."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__ = fields

    def _fields(self) -> dict[str, Any]:
        return self.__dict__

    def __getattr__(self, name: str) -> Any:  # only what is not there comes here
        raise AttributeError(f"this result has no {name!r}, but {', '.join(self.__dict__)}")

    def __getitem__(self, key: str) -> Any:
        return self._fields()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._fields()[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._fields()

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields())

    def keys(self) -> Iterator[str]:
        """Names of the fields."""
        yield from self._fields()

    def __repr__(self) -> str:
        fields = self._fields()
        width = max(map(len, fields), default=0)
        return "\n".join(f"{key:>{width}}: {_indented(value, width + 2)}" for key, value in fields.items())


class Converged(Result):
    """The result of a solve that converged; fields that repeated small solves hardly use are made when first asked for."""

    success = True

    def __init__(self, x: Any, fun: Any, counts: int) -> None:  # by attributes: no dict has to be made
        self.x = x
        self.fun = fun
        self._counts = counts  # as `compiled.enter` packs them

    def _fields(self) -> dict[str, Any]:
        fields = self.__dict__
        counts = fields.get("_counts")
        if counts is not None:
            found = {"success": True, "status": STATUS[s.CONVERGED], "message": TEXTS[s.CONVERGED]}
            found.update(nfev=counts >> 40, njev=counts >> 20 & 0xFFFFF, nit=counts & 0xFFFFF)
            for name, value in found.items():
                fields.setdefault(name, value)
            fields.pop("_counts", None)
        return fields

    def __getattr__(self, name: str) -> Any:
        fields = self._fields()
        return fields[name] if name in fields else super().__getattr__(name)


def _indented(value: Any, by: int) -> str:
    return str(value_of(value)).replace("\n", "\n" + " " * by)


#: SciPy's convention: 1 is success; what else a kernel may answer, by its code.
STATUS = {s.CONVERGED: 1, s.TOO_MANY: 2, s.SINGULAR: 3, s.STALLED: 4, s.BAD_START: 5, s.DIVERGED: 6, s.ABORTED: 7, s.NO_BRACKET: 8}

TEXTS = {
    s.CONVERGED: "The solution converged.",
    s.TOO_MANY: (
        "No convergence in {iterations} iterations; the norm of the residual is {norm:.3g}. Raise {limit}, loosen the tolerance, start "
        "closer to the solution, or use another method."
    ),
    s.SINGULAR: (
        "The Jacobian is singular at an iterate (norm of the residual {norm:.3g}). Start from another point, or use the method "
        "'levenberg-marquardt' or 'trust-region', which can leave such points."
    ),
    s.STALLED: (
        "The iteration is not making good progress: no step lowers the norm of the residual, {norm:.3g}. There may be no root near, or a "
        "multiple one, or the Jacobian does not belong to the function (a jump or a kink): start from another point."
    ),
    s.BAD_START: "The function or the starting point is not finite (NaN or Inf). Check x0, the parameters and the function there.",
    s.DIVERGED: (
        "The iterates became non-finite (NaN or Inf) after {iterations} iterations: the map is not a contraction there. Use the method "
        "'anderson' or 'newton', or start closer to the fixed point."
    ),
    s.ABORTED: "The function stopped the iteration (a check in it failed, or it raised). Check its arguments at x0 and near it.",
    s.NO_BRACKET: "The function has the same sign at both ends of the bracket. Give two points where its signs differ.",
}


def explain(code: int, iterations: int = 0, norm: float = 0.0, limit: str = "options={'maxiter': ...}") -> str:
    """The sentence for a kernel's code."""
    return TEXTS[code] if code == s.CONVERGED else TEXTS[code].format(iterations=iterations, norm=norm, limit=limit)
