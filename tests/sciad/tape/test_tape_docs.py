"""docs/tape_functions.md is what the tables say (``SCIAD_WRITE_DOCS=1 pytest`` writes it), and every function in it is tested."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from tape_cases import ARRAY_CASES, UFUNCS
from tape_linalg_cases import LINEAR_CASES

from sciad.rules.registry import canonical, lookup, names
from sciad.tape import ufuncs
from sciad.tape.core import ArrayVariable, Variable
from sciad.tape.dispatch import LIKE, NAMES, NONDIFFERENTIABLE

PAGE = Path(__file__).parents[3] / "docs" / "tape_functions.md"
MODULES = (
    "creation", "shapes", "joining", "selection", "reductions", "samples", "complexes", "products", "linalg", "decompositions", "fourier",
)

HEAD = """# NumPy on the tape

What `sciad` understands in code that is differentiated by recording (functions that are not wrapped in `sciad.jit`). Write plain
NumPy; this page is generated from the tables, with NumPy VERSION, by `tests/sciad/tape/test_tape_docs.py`, and each function on
it is tested there for its value, forward against reverse, differences, and second order.
"""

METHODS = """
and their operators; the ufunc methods `add.reduce multiply.reduce maximum.reduce minimum.reduce logaddexp.reduce add.accumulate
multiply.accumulate maximum.accumulate minimum.accumulate`, `outer` of each, `add.at`, `subtract.at`; the options `out=`, `where=`
(with `out=`), `dtype=`.
"""

TAIL = """
## What raises
- Functions that are not on this page: `MissingRule`, with your file and line.
- `float(x)`, `complex(x)`, `math.sin(x)`, `np.array([x, y])`, `np.asarray(x)`, a store into a plain array (`np.zeros(3)[0] = x`),
  `S @ x` with a scipy.sparse `S`, functions that NumPy does not dispatch (`np.arange`, `np.full`, `np.vectorize`, `np.r_`):
  `SciadError`. Use `np.stack([x, y])` or `np.array([x, y], like=x)`, buffers from `np.zeros_like(x)` or `np.zeros(n, like=x)`, `x
  @ S.T`; `sciad.stop_gradient(x)` where the derivative is not wanted. Storing a traced 0-d *array* into one element of a plain
  array is NumPy's `ValueError` ("setting an array element with a sequence"), with the `SciadError` as its cause.
- `np.sum(x)[None]`: a traced number is not subscriptable (Python and NumPy would take it for a sequence); use `np.reshape(s,
  (1,))`.
- Eigenvectors of repeated eigenvalues and singular vectors of repeated or zero singular values, when the result depends on their
  choice; `np.linalg.qr` of wide or complex matrices; `np.linalg.svd` of a matrix that is not square without
  `full_matrices=False`; quantiles other than `method="linear"`; `np.pad` modes that compute (`mean`, `linear_ramp`, ...).
- Writing to an argument that shares memory with another argument; writing a value of an inner differentiation into an array made
  outside it; using a traced value after its differentiation has ended; returning objects inside which sciad does not look (sets,
  `OrderedDict`, generators).

## What is worth knowing
- `x[i] = v`, `x += v`, `out=`, views and aliases behave as in NumPy; what was computed before a write keeps its derivative. The
  arguments themselves are never changed.
- Plain arrays are copied when a derivative will need them. An array of more than 4 kB is copied once and compared when used
  again; `a.setflags(write=False)` saves both.
- `np.linalg.cholesky` and `eigh` read one triangle, and have the derivative of that: the cotangent of the other is zero.
- Complex numbers: cotangents pair with tangents as Re(sum(conj(x_bar) * x_dot)), so that the gradient of a real function is its
  direction of steepest ascent.
- Comparisons, `int(x)`, `round(x)`, `np.floor`, `np.argsort` and the like give plain numbers and arrays, which carry no
  derivative.
"""


def wrap(items: list[str]) -> str:
    return " ".join(f"`{i}`" for i in items) + "\n"


def page() -> str:
    parts = [HEAD.replace("VERSION", VERSION)]
    numpy_names = {canonical(n) for n in names()} & {u.__name__ for u in vars(np).values() if isinstance(u, np.ufunc)}
    special = {u.__name__ for u in ufuncs.SPECIAL}
    differentiable = sorted({n for n in numpy_names if lookup(n).kind != "nondiff"} | special)
    parts.append("\n## Elementwise functions (ufuncs) and products\n" + wrap([f"np.{n}" for n in differentiable]))
    parts.append(METHODS)
    others = sorted(set(names()) - numpy_names - {"where"})
    parts.append("\nOf scipy.special, and under these names in compiled code:\n" + wrap(others))
    for short in MODULES:
        module = importlib.import_module(f"sciad.tape.{short}")
        found = sorted(n for n, h in NAMES.items() if h.__module__ == module.__name__ and n not in NONDIFFERENTIABLE)
        parts.append(f"\n## {module.__doc__.strip().splitlines()[0].rstrip('.:')}\n" + wrap([f"np.{n}" for n in found]))
    parts.append("\nWith `like=x`, for arrays that traced values can be written to:\n" + wrap([f"np.{n}" for n in sorted(LIKE)]))
    methods = sorted(n for n in dir(ArrayVariable) if not n.startswith("_") and hasattr(np.ndarray, n))
    parts.append("\n## Methods and attributes of arrays\n" + wrap(methods))
    nondiff = sorted({n for n in numpy_names if lookup(n).kind == "nondiff"} | NONDIFFERENTIABLE)
    parts.append("\n## Without derivative\n" + wrap([f"np.{n}" for n in nondiff]))
    return "".join([*parts, TAIL])


VERSION = "2.4"
RECENT = pytest.mark.skipif(not np.__version__.startswith(VERSION + "."), reason=f"the page lists what NumPy {VERSION} has")


@RECENT
def test_page_is_up_to_date():
    if os.environ.get("SCIAD_WRITE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run SCIAD_WRITE_DOCS=1 pytest tests/sciad/tape/test_tape_docs.py"


def test_every_function_has_a_case():
    tested = {name for case in ARRAY_CASES + LINEAR_CASES for name in case[0].split()}
    missing = {n for n in NAMES if n not in NONDIFFERENTIABLE} - tested
    assert not missing
    assert len(tested) > 160


def test_every_ufunc_has_a_case():
    known = {u.__name__ for u in vars(np).values() if isinstance(u, np.ufunc)} & set(names())
    ours = {n for n in known if lookup(n).kind != "nondiff"}
    assert ours - set(UFUNCS) == {"ldexp"}  # in test_tape_hazards: its second operand is an integer


@RECENT
def test_methods_of_arrays():
    """What ndarray has and a traced array lacks is known, and raises MissingRule."""
    lacking = {n for n in dir(np.ndarray) if not n.startswith("_")} - set(dir(Variable)) - set(dir(ArrayVariable))
    assert lacking == {
        "base", "byteswap", "choose", "ctypes", "data", "device", "dump", "dumps", "flags", "getfield", "partition", "resize", "setfield",
        "setflags", "strides", "to_device", "tobytes", "tofile",
    }
