"""Numbers: integers, bools, remainders, powers, float32, complex intermediates, kinks."""

import cmath
import math

import numpy as np

from torture import A, case


@case(0.7, 7)
def integer_division_of_negatives(a, n):
    return a * (-n // 2) + a**2 * (-n % 3) + a * (n // -2) - a * (n % -3) + a * int(-n / 2)


@case(0.7, 3)
def integers_mix_with_floats(a, n):
    k = n * 2 - 1
    s = a * k / n + k / 2 * a + (k - n) ** 2 * a
    for i in range(n):
        s += 2**i * a + (-1) ** i * a
    return s


@case(1.7, 3)
def float_to_integer_power_at_run_time(a, n):
    return a**n + a ** (-n) + (a * a) ** (n - 3)


@case(-1.7, 3)
def negative_base_to_integer_power(a, n):
    return a**n + a**2 + a**3 + a ** (n + 1)


@case(1.7, 0.3)
def float_to_float_power(a, b):
    return a**b + a**2.5 + 2.0**b + a**-1.5 + np.power(a, b) + math.pow(a, 2.0)


@case(2)
def negative_power_of_an_int(n):
    return 2.0**-n * 1.0 + 10 ** -2


@case(0.7)
def bool_arithmetic(a):
    positive = a > 0.0
    return positive * a + (a > 1.0) * 100.0 + (positive + positive) * a**2 + a * True


@case(A(0.5, -0.5, 1.5))
def counting_bools(x):
    n = 0
    for v in x:
        n += v > 0.0
    return n * x[0] + np.sum(x > 0.0) * x[1] + (x > 1.0).sum() * x[2]


@case(7.3, 2.1)
def float_remainder(a, b):
    return a % b + (-a) % b + math.fmod(a, b) + a // b * b + divmod(a, b)[1]


@case(0.7, 5, 3)
def bits(a, n, k):
    return a * (n & k) + a**2 * (n | k) + a**3 * (n ^ k) + a * (n << 2) + a * (n >> 1) + a * ~n


@case(0.7)
def rounding_has_no_slope(a):
    return a * math.floor(3.3 * a) + a * math.ceil(a) + a * round(2.6 * a) + a * int(3.9 * a) + np.floor(a) + np.sign(a) * a


@case(-0.7, 0.3)
def absolute_and_copysign(a, b):
    return abs(a) * b + math.fabs(a) + math.copysign(a, b) + np.abs(a) * a


@case(0.7)
def truth_of_a_number(a):
    n = 3
    if a:
        a = a * 2.0
    while n:
        a = a * 1.1
        n -= 1
    return a if not n else 0.0


@case(np.float32(0.7), oracle="difference", tolerance=2e-3)
def single_precision(a):
    return a * a + np.float32(2.0) * a


@case(np.array([0.5, 0.25], np.float32), oracle="difference", tolerance=5e-3)
def single_precision_array(x):
    y = x * x
    return y[0] * y[1] + np.sum(x)


@case(0.7, 0.4, oracle="difference")
def complex_numbers(a, b):
    z = complex(a, b)
    w = z * z + (1.0 - 2.0j) * z
    w = w / (z + 2.0) - w.conjugate()
    return w.real * w.imag + abs(z)


@case(0.7, oracle="difference")
def complex_loop(a):
    z = 0.0j
    for _ in range(4):
        z = z * z + a * (0.3 + 0.2j)
    return z.real**2 + z.imag**2


@case(0.7, oracle="difference")
def complex_exponential(a):
    z = np.exp(1j * a * 2.0)
    return z.real + 3.0 * z.imag


@case(0.3, oracle="difference")
def special_functions(a):
    return math.erf(a) + math.erfc(a) * a + math.gamma(a + 1.0) + math.lgamma(a + 2.0)


@case(0.3, oracle="difference")
def all_of_math(a):
    s = math.sin(a) + math.cos(a) * math.tan(a) + math.asin(a) * math.acos(a) + math.atan(a)
    s += math.sinh(a) * math.cosh(a) + math.tanh(a) + math.asinh(a) + math.acosh(1.0 + a) + math.atanh(a)
    s += math.exp(a) * math.expm1(a) + math.log(a) + math.log10(a) * math.log2(a) + math.log1p(a) + math.log(a, 3.0)
    s += math.sqrt(a) * math.hypot(a, 2.0) + math.atan2(a, 0.3) + math.degrees(a) * 0.01 + math.radians(a) + math.fsum((a, a * a))
    return s


@case(A(0.3, 0.8), oracle="difference")
def all_of_elementwise(x):
    y = np.sin(x) + np.cos(x) * np.tan(x) + np.arcsin(x) * np.arccos(x) + np.arctan(x) + np.sinh(x) * np.cosh(x) + np.tanh(x)
    y = y + np.arcsinh(x) + np.arccosh(1.0 + x) + np.arctanh(x) + np.exp(x) * np.expm1(x) + np.log(x) + np.log2(x) * np.log10(x)
    y += np.log1p(x) + np.sqrt(x) * np.cbrt(x) + np.square(x) + np.reciprocal(x) + np.exp2(x) + np.hypot(x, 2.0) + np.arctan2(x, 0.3)
    y += np.maximum(x, 0.5) * np.minimum(x, 0.6) + np.fmax(x, 0.1) + np.fmin(x, 0.2) + np.logaddexp(x, 0.4) + np.float_power(x, 1.5)
    y += np.deg2rad(x) + np.rad2deg(x) * 0.01 + np.power(x, 3) + np.mod(x, 0.25) + np.negative(x) * np.positive(x) + np.fabs(x)
    return np.sum(y * y)


@case(np.array([[2.0, 0.5, 0.1], [0.3, 1.5, -0.2], [0.2, 0.4, 1.2]]), A(1.0, -2.0, 0.5), oracle="difference")
def linear_solves(m, b):
    x = np.linalg.solve(m, b)
    y = np.linalg.solve(m.T, np.outer(x, b))
    return x[0] * x[2] + np.sum(y[1] ** 2) + np.sum(np.linalg.inv(m) * m.T)


@case(np.array([[0.0, 2.0, 0.1], [1e-9, 1.5, -0.2], [3.0, 0.4, 1.2]]), A(1.0, -2.0, 0.5), oracle="difference", tolerance=1e-7)
def pivoting(m, b):
    return np.sum(np.linalg.solve(m, b) ** 3) + np.linalg.det(m)


@case(np.array([[2.0, 0.5, 0.1], [0.3, 1.5, -0.2], [0.2, 0.4, 1.2]]), oracle="difference")
def determinants(m):
    sign, logarithm = np.linalg.slogdet(-m)
    return np.linalg.det(m) ** 2 + sign * logarithm


@case(np.array([[2.0, 0.5, 0.1], [0.5, 1.5, -0.2], [0.1, -0.2, 1.2]]), oracle="difference")
def symmetric_factorisations(m):
    c = np.linalg.cholesky(m)
    w, v = np.linalg.eigh(m)
    return c[2, 0] * c[1, 1] + np.sum(np.log(np.diag(c))) + w[0] * w[2] + v[0, 1] ** 2 * v[2, 2] ** 2


@case(np.array([[2.0, 0.5, 0.1], [0.3, 1.5, -0.2]]), oracle="difference")
def norms_and_traces(m):
    v = m[0]
    s = np.linalg.norm(m) + np.linalg.norm(v) * np.linalg.norm(v, 1) + np.linalg.norm(v, np.inf) + np.sum(np.linalg.norm(m, axis=1))
    return s + np.trace(m @ m.T) + np.sum(np.tril(m) * np.triu(m)) + np.sum(np.diag(v) @ m.T)


@case(np.array([[2.0, 0.5, 0.1], [0.3, 1.5, -0.2]]), A(0.3, 0.2, 0.1), oracle="difference")
def einsums(m, v):
    s = np.einsum("ij,j->i", m, v)[1] + np.einsum("ij,kj->ik", m, m)[0, 1] + np.einsum("i,j->ij", v, v)[0, 2]
    s += np.einsum("ij,ij->", m, m) + np.einsum("ij->ji", m)[2, 0]
    return s + np.einsum("ij,jk,k->i", m, m.T, m[:, 0])[0] + np.einsum("ij,jk", m, m.T)[1, 1]


@case(np.array([[2.0, 0.5], [0.3, 1.5]]), oracle="difference")
def solve_in_a_loop(m):
    x = np.ones(2)
    s = 0.0
    for k in range(4):
        x = np.linalg.solve(m + k * np.eye(2), x * x + 0.5)
        s += x[0] * np.linalg.det(m * x[1])
    return s


@case(0.0, 0.0)
def slopes_at_kinks(a, b):
    return abs(a) + max(a, b) * 2.0 + min(a, b) * 3.0 + np.maximum(a, 0.0) * 4.0 + a**2 + b**1 + a**0


@case(A(0.0, 4.0))
def guarded_square_root(x):
    s = 0.0
    for v in x:
        s += math.sqrt(v) if v > 0.0 else 0.0
    return s


@case(0.5, 10**9)
def large_integers(a, n):
    return a * (n * n % 97) + a * (n // 7 % 11)


@case(A(0.3, 0.8, -0.2, 0.5), oracle="difference")
def numpy_joined_and_moved(x):
    m = np.vstack((x, x * x))
    h = np.hstack((x[1:], 2.0 * x))
    c = np.column_stack((x, np.sin(x)))
    s = np.sum(m[1] * h[:4]) + c[2, 1] * np.flip(x)[0] + np.fliplr(m)[0, 1] * np.flipud(m)[0, 2] + np.sum(np.roll(x, 1) * x)
    s += np.sum(np.roll(m, -1, axis=1) * m) + np.sum(np.tile(x, 2) * np.repeat(x, 2)) + np.sum(np.meshgrid(x, x[:2])[0][1] * x)
    np.fill_diagonal(m, x[3])
    return s + np.sum(m**3) + np.swapaxes(m, 0, 1)[3, 0]


@case(A(0.3, 0.8, -0.2, 0.5), oracle="difference")
def numpy_statistics(x):
    s = np.var(x) + np.std(x * x) * np.average(x, weights=x * x) + np.ptp(x) + np.median(x) ** 2 + np.count_nonzero(x) * x[0]
    s += np.sum(np.sort(x) * A4) + x[np.argmax(x)] * x[np.argmin(x)] + np.sum(x[np.argsort(x)[:2]] ** 2)
    m = np.outer(x, x + 1.0)
    return s + np.sum(np.var(m, axis=0) ** 2) + np.sum(np.std(m, axis=1, ddof=1)) if np.allclose(x, x + 1e-12) else 0.0


A4 = np.array([1.0, 2.0, 3.0, 4.0])
TRAPEZOID = getattr(np, "trapezoid", None) or np.trapz  # noqa: NPY201


@case(A(0.3, 0.8, -0.2, 0.5), 0.6, oracle="difference")
def numpy_differences_and_products(x, a):
    s = np.sum(np.diff(x) ** 2) + TRAPEZOID(x, A4 * a) + TRAPEZOID(x * x, dx=a) + np.sum(np.gradient(x) ** 3) + np.cumprod(x + 1.0)[3]
    s += np.sum(np.convolve(x, x[:2]) ** 2) + np.polyval(x, a) + np.sum(np.polyval(x[:3], x)) + np.interp(a * 4.0, A4, x)
    s += np.sum(np.interp(A4 * a, A4, x) ** 2) + np.sum(np.cross(x[:3], x[1:]) * A4[:3]) + np.inner(x, x)
    m = x.reshape(2, 2)
    return s + np.sum(np.kron(m, m)[1] * A4) + np.linalg.matrix_power(m, 3)[0, 1] + np.searchsorted(A4, a * 4.0) * a


@case(0.4, 0.9, oracle="difference", tolerance=1e-6)
def functions_of_complex_numbers(x, y):
    z = complex(x, y)
    w = cmath.exp(z) * z.conjugate() + cmath.sqrt(z) + cmath.log(z, 3.0) + cmath.log10(z)
    w += cmath.sin(z) * cmath.cosh(z) - cmath.cos(z) * cmath.sinh(z) + cmath.tanh(z) / cmath.tan(z)
    w += z**1.5 + z ** (0.3 + 0.2j) + 2.0**z + np.sqrt(z) * np.tan(z) + z**2
    r, angle = cmath.polar(w)
    return w.real * w.imag + r * angle + cmath.rect(r, 0.3).imag + cmath.phase(z)


@case(-0.4, -0.9, oracle="difference", tolerance=1e-6)
def complex_numbers_on_the_left(x, y):
    z, real = complex(x, y), cmath.sqrt(x)
    return cmath.sqrt(z).imag + 2 * cmath.sqrt(z).real + real.imag + real.real + cmath.log(z).imag
