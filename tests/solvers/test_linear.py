"""Linear algebra of implicit steps: every solver against NumPy and against each other, patterns, and what each refuses."""

import ctypes
from functools import cache

import numpy as np
import pytest

import sciad.solvers.layout as layout
from sciad.field import Field
from sciad.solvers.implicit import equip
from sciad.solvers.integrate import integrate
from sciad.solvers.linear import Banded, Dense, Krylov, Sparse
from sciad.solvers.linear.choice import choose_linear, pattern_of
from sciad.solvers.linear.colouring import greedy_colours
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs


def diffusion(dy, t, y, p):
    """Two coupled species on a line, interleaved: diffusion, reaction, and a drift that makes the Jacobian unsymmetric."""
    n = y.shape[0] // 2
    for i in range(n):
        u, v = y[2 * i], y[2 * i + 1]
        left_u, left_v = (y[2 * i - 2], y[2 * i - 1]) if i > 0 else (1.0, 2.0)
        right_u, right_v = (y[2 * i + 2], y[2 * i + 3]) if i < n - 1 else (1.0, 2.0)
        dy[2 * i] = p[0] * (left_u - 2.0 * u + right_u) + p[1] * (left_u - u) + 1.0 + u * u * v - 4.0 * u
        dy[2 * i + 1] = p[0] * (left_v - 2.0 * v + right_v) + 3.0 * u - u * u * v


P = np.array([20.0, 5.0])


@cache
def right_hand_side(n):
    return Rhs.of(Field(diffusion, (n,), (P,), inplace=True))


def start(n):
    i = np.arange(n // 2)
    y0 = np.empty(n)
    y0[0::2], y0[1::2] = 1 + np.sin(2 * np.pi * i / (n // 2)), 2.5
    return y0


@pytest.fixture(scope="module")
def medium():
    return right_hand_side(60), start(60)


def dense_jacobian(rhs, y):
    out = np.empty((rhs.n, rhs.n))
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 3)(rhs.jac())
    assert function(0.0, y.ctypes.data, P.ctypes.data, out.ctypes.data) == 0
    return out


class Bench:
    """The C functions of one linear solver for one right-hand side."""

    def __init__(self, rhs, linear, method="NDF"):
        self.slots = np.zeros(layout.N_SLOTS, np.int64)
        self.slots[[layout.F, layout.P, layout.N]] = rhs.f, P.ctypes.data, rhs.n
        self.alive = equip(self.slots, rhs, METHODS[method], linear), linear
        self.rhs = rhs

    def call(self, name, *arguments):
        kinds = [ctypes.c_double if isinstance(a, float) else ctypes.c_ssize_t for a in arguments]
        given = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
        return ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(int(self.slots[name]))(*given)

    def jacobian(self, y):
        if self.slots[layout.EVALUATE]:
            assert self.call(layout.EVALUATE, 0.0, y, self.slots) == 0
        else:
            assert self.call(layout.JAC, 0.0, y, P, int(self.slots[layout.J_AT])) == 0

    def factor(self, c, h):
        return self.call(layout.FACTOR, c, h, self.slots)


def solvers(n, rhs, y):
    return [Dense(n), Banded(n, 2, 2), Sparse(pattern_of(rhs, 0.0, y, P)), Krylov(n, n)]


@pytest.mark.parametrize("n", [6, 24, 60])
def test_all_solvers_agree_with_numpy(n, rng):
    """Sizes with constant loops, plain loops and LAPACK; solves, transposed solves, products."""
    rhs, y = right_hand_side(n), start(n) + 0.1 * rng.normal(size=n)
    c, h = 1.7, 0.03
    jac = dense_jacobian(rhs, y)
    matrix, b = c * np.eye(n) - h * jac, rng.normal(size=n)
    for linear in solvers(n, rhs, y):
        bench = Bench(rhs, linear)
        bench.jacobian(y)
        assert bench.factor(c, h) == 0
        x = b.copy()
        bench.call(layout.SOLVE, bench.slots, x)
        np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-9, atol=1e-11, err_msg=linear.name)
        out = np.empty(n)
        bench.call(layout.MULTIPLY, bench.slots, b, out)
        np.testing.assert_allclose(out, jac @ b, rtol=1e-12, atol=1e-10, err_msg=linear.name)
        if bench.slots[layout.SOLVE_T]:
            x = b.copy()
            bench.call(layout.SOLVE_T, bench.slots, x)
            np.testing.assert_allclose(x, np.linalg.solve(matrix.T, b), rtol=1e-9, atol=1e-11, err_msg=linear.name)


@pytest.mark.parametrize("n", [5, 10, 30, 60])
def test_dense_solvers_pivot(n, rng):
    """A random matrix with a zero diagonal needs row exchanges: W = 0 I - (-1) J."""
    from sciad.solvers.linear.complex import dense_complex

    jac, b = rng.normal(size=(n, n)), rng.normal(size=n)
    np.fill_diagonal(jac, 0.0)
    rhs = right_hand_side(6)  # never called
    bench = Bench(Rhs(rhs.f, n, 2, owner=rhs), Dense(n), "RadauIIA5")
    view = (ctypes.c_double * (n * n)).from_address(int(bench.slots[layout.J_AT]))
    np.frombuffer(view)[:] = jac.ravel()
    assert bench.factor(0.0, -1.0) == 0
    x, x_t = b.copy(), b.copy()
    bench.call(layout.SOLVE, bench.slots, x)
    bench.call(layout.SOLVE_T, bench.slots, x_t)
    np.testing.assert_allclose(jac @ x, b, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(jac.T @ x_t, b, rtol=1e-8, atol=1e-8)
    assert dense_complex(n)[0] == bench.slots[layout.FACTOR_Z]
    assert bench.call(layout.FACTOR_Z, 0.3, 0.8, -1.0, bench.slots) == 0
    z = (b + 1j * b[::-1]).copy()
    bench.call(layout.SOLVE_Z, bench.slots, z)
    matrix = jac + (0.3 + 0.8j) * np.eye(n)
    np.testing.assert_allclose(matrix @ z, b + 1j * b[::-1], rtol=1e-8, atol=1e-8)
    z = (b + 1j * b[::-1]).copy()
    bench.call(layout.SOLVE_Z_T, bench.slots, z)
    np.testing.assert_allclose(matrix.T @ z, b + 1j * b[::-1], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("make", [Dense, lambda n: Banded(n, 2, 2), lambda n: Sparse(np.ones((n, n)))], ids=["dense", "banded", "sparse"])
@pytest.mark.parametrize("n", [6, 60])
def test_singular_and_broken_matrices_are_reported(make, n):
    rhs, y = right_hand_side(n), start(n)
    bench = Bench(rhs, make(n))
    bench.jacobian(y)
    assert bench.factor(0.0, 0.0) == layout.SINGULAR
    bench.jacobian(np.full(n, np.nan))
    assert bench.factor(1.0, 0.1) == layout.NOT_A_NUMBER


def test_patterns_are_found(medium):
    rhs, y0 = medium
    pattern = pattern_of(rhs, 0.0, y0, P).toarray()
    i, j = np.indices((60, 60))
    expected = (i // 2 == j // 2) | (abs(i - j) == 2)
    assert np.array_equal(pattern, expected)
    assert np.all((dense_jacobian(rhs, y0 + 0.3) != 0) <= pattern)


def test_colours_separate_columns(rng):
    pattern = rng.random((40, 40)) < 0.1
    rows, columns = np.nonzero(pattern)
    colour = greedy_colours(rows, columns, 40)
    for row in pattern:
        assert len(set(colour[row])) == row.sum()


@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4", "NDF"])
def test_structured_solves_give_the_dense_solution(medium, method):
    rhs, y0 = medium
    times, options = np.array([0.05, 0.5, 2.0]), {"rtol": 1e-7, "atol": 1e-8}
    dense = integrate(rhs, (0.0, 2.0), y0, P, method, times, linear="dense", **options)
    chosen = [Banded(60, 2, 2), "sparse", Sparse(pattern_of(rhs, 0.0, y0, P))]
    for linear in chosen + (["gmres", Krylov(60, 60)] if method != "Rodas5P" else []):
        other = integrate(rhs, (0.0, 2.0), y0, P, method, times, linear=linear, **options)
        assert other.success
        assert np.max(np.abs(other.ys - dense.ys)) < 1e-5
        exact = linear not in ("gmres",) and not isinstance(linear, Krylov)
        assert not exact or np.max(np.abs(other.ys - dense.ys)) < 1e-7
        assert other.naccept < 1.3 * dense.naccept + 10


def test_differences_of_colours_stand_in_for_missing_products(medium):
    rhs, y0 = medium
    bare, times = Rhs(rhs.f, rhs.n, rhs.n_p, owner=rhs), np.array([0.5])
    dense = integrate(rhs, (0.0, 0.5), y0, P, "NDF", times, rtol=1e-7, atol=1e-8)
    for linear in (Banded(60, 2, 2), Sparse(pattern_of(rhs, 0.0, y0, P))):
        other = integrate(bare, (0.0, 0.5), y0, P, "NDF", times, rtol=1e-7, atol=1e-8, linear=linear)
        assert np.max(np.abs(other.ys - dense.ys)) < 1e-5
        assert other.nfev < 3 * dense.nfev


def test_large_sparse_systems_get_sparse_algebra():
    rhs, y0 = right_hand_side(400), start(400)
    chosen = choose_linear(None, rhs, 0.0, y0, P)
    assert chosen.name == "sparse"
    assert chosen.fill < 400 * 10
    assert choose_linear(None, rhs, 0.0, y0, P) is chosen
    p = np.array([2e4, 5.0])
    solution = integrate(rhs, (0.0, 0.5), y0, p, "auto", np.array([0.5]), rtol=1e-6, atol=1e-6)
    banded = integrate(rhs, (0.0, 0.5), y0, p, "Rodas5P", np.array([0.5]), rtol=1e-8, atol=1e-8, linear=Banded(400, 2, 2))
    assert [name for _, name in solution.switches][-1] == "NDF"
    assert np.max(np.abs(solution.ys - banded.ys)) < 1e-4


def diffusing(dy, t, y, alpha):
    """Heat conduction with a source, ends at 0; alpha is the diffusivity over dx^2."""
    n = y.shape[0]
    for i in range(n):
        left = y[i - 1] if i > 0 else 0.0
        right = y[i + 1] if i < n - 1 else 0.0
        dy[i] = alpha * (left - 2.0 * y[i] + right) + y[i] * (1.0 - y[i])


def preconditioner(alpha):
    """Thomas' algorithm for c I - h alpha (second differences), the reaction left out."""

    def apply(t, r, y, c, h):
        n, off = r.shape[0], -h * alpha
        x, ratio = np.empty(n), np.empty(n)
        pivot = c - 2.0 * off
        x[0] = r[0] / pivot
        for i in range(1, n):
            ratio[i] = off / pivot
            pivot = c - 2.0 * off - off * ratio[i]
            x[i] = (r[i] - off * x[i - 1]) / pivot
        for i in range(n - 2, -1, -1):
            x[i] -= ratio[i + 1] * x[i + 1]
        return x

    return apply


@pytest.mark.parametrize("method", ["NDF", "KenCarp4"])
def test_preconditioned_gmres(method):
    """Two vectors do with a preconditioner what they cannot do without, and what is found is the same."""
    n, p = 100, np.array([4e4])
    rhs, y0 = Rhs.of(Field(diffusing, (n,), (4e4,), inplace=True)), np.sin(np.linspace(0.0, 9.0, n)) ** 2
    times, options = np.array([0.01, 0.2]), {"rtol": 1e-6, "atol": 1e-8}
    dense = integrate(rhs, (0.0, 0.2), y0, p, method, times, linear="dense", **options)
    helped = integrate(rhs, (0.0, 0.2), y0, p, method, times, linear=Krylov(n, 2, preconditioner(4e4)), **options)
    alone = integrate(rhs, (0.0, 0.2), y0, p, method, times, linear=Krylov(n, 2), **options)
    assert helped.success
    assert np.max(np.abs(helped.ys - dense.ys)) < 1e-5
    assert helped.nfev < 1.3 * dense.nfev + 20
    assert alone.nfev > 3 * helped.nfev
    other = integrate(rhs, (0.0, 0.2), y0, p, method, times, linear=Krylov(n, 10, preconditioner(2e4)), **options)  # of the wrong size
    assert np.max(np.abs(other.ys - dense.ys)) < 1e-5


def test_what_is_refused(medium):
    rhs, y0 = medium
    for linear, method, text in [
        ("gmres", "Rodas5P", "factors"), ("sparse", "RadauIIA5", "dense"), ("cg", "NDF", "unknown linear algebra"),
        (Banded(50, 1, 1), "NDF", "50 unknowns"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=text):
            integrate(rhs, (0.0, 1.0), y0, P, method, linear=linear)
    with pytest.raises(ValueError, match="lband"):
        Banded(5, 5, 1)
    with pytest.raises(ValueError, match="square"):
        Sparse(np.ones((3, 4)))
    with pytest.raises(ValueError, match="products"):
        integrate(Rhs(rhs.f, rhs.n, rhs.n_p, owner=rhs), (0.0, 1.0), y0, P, "NDF", linear="gmres")
