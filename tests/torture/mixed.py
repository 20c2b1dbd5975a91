# ruff: noqa: B006
"""What is left: structures with arrays in them, rows exchanged, selections of selections, order of evaluation."""

import math

import numpy as np

from torture import A, case

M = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [0.3, 0.6, 0.9]])

ORDER = np.array([2, 0])


@case(A(1.0, 2.0, 3.0), 0.5)
def arrays_inside_a_tuple_are_written(x, a):
    t = (x * 1.0, a)
    t[0][1] += t[1] * t[0][2]
    u, _ = t
    u[0] *= u[1]
    return np.sum(t[0] * t[0])


@case({"w": A(0.5, 0.2), "b": 0.1}, 0.7)
def arrays_inside_a_dict_are_written(p, x):
    w = p["w"].copy()
    q = {"w": w, "s": x}
    q["w"][0] = q["s"] * w[1]
    return np.sum(w * p["w"]) * p["b"]


@case(A(1.0, 2.0, 3.0), inout=(0,))
def alias_returned_after_a_write(x):
    y = x
    x[0] = x[1] * x[2]
    return y * 2.0


@case(M, inout=(0,))
def rows_exchanged_through_copies(m):
    m[0], m[1] = m[1].copy(), m[0] * m[2, 2]


@case(M, inout=(0,))
def rows_exchanged_through_views(m):
    m[0], m[1] = m[1], m[0]


@case(M, inout=(0,))
def rows_exchanged_by_a_list(m):
    m[[0, 2]] = m[[2, 0]]
    m[:, [0, 1]] *= m[:, [1, 0]]


@case(A(1.0, 2.0, 3.0), inout=(0,))
def elements_exchanged(x):
    x[0], x[2] = x[2] * x[1], x[0]
    i = 0
    i, x[i] = 1, 5.0 * x[1]
    return x[i]


@case(A(1.0, 2.0, 3.0, 4.0, 5.0), inout=(0,))
def selection_of_a_selection_written(x):
    x[::-1][1:3] = x[:2] * x[4]
    x[1:][::2][-1] *= x[0]


@case(M, np.array([2, 0]), inout=(0,))
def fancy_with_slices(m, k):
    s = np.sum(m[k, 1:] ** 2) + np.sum(m[:2, k][1] * m[1, k])
    m[k, 1:] = m[:2, :2] * s
    m[1:, k] += 1.0
    return s


@case(A(0.2, -0.5, 0.9, 1.5))
def masks_combined(x):
    inside = (x > 0.0) & (x < 1.0)
    outside = ~inside | (x == 0.9)
    s = np.sum(x[inside] ** 2) * np.sum(np.where(outside, x, 0.0))
    if inside.any() and not inside.all():
        s = s * inside.sum()
    return s + np.sum(x * inside)


@case(M)
def rebinding_a_row_changes_nothing(m):
    s = 0.0
    for row in m:
        row = row * 2.0
        row[0] = 3.0
        s += np.sum(row)
    return s + m[0, 0]


@case(A(0.2, 0.5, 0.9), A(1.0, 2.0, 3.0))
def nested_unpacking_in_a_loop(x, y):
    s = 0.0
    for i, (a, b) in enumerate(zip(x, y)):
        (c, d), e = (a * b, a), b
        s += c * d * e * (i + 1)
    return s


@case(A(0.2, 0.5, 0.9), 1)
def shapes_of_results_on_two_paths(x, n):
    if n > 2:
        return x[:1] * 2.0
    return x[n:] * x[0]


@case(A(0.2, 0.5, 0.9))
def tuples_that_grow_in_a_short_loop(x):
    parts = ()
    for i in range(3):
        parts = (*parts, x[i] * (i + 1))
    zeros = [0.0] * 2
    return parts[0] * parts[1] + parts[-1] ** 2 + zeros[1]


@case(0.7)
def default_that_is_a_list(a, weights=[1.0, 2.0]):
    return a * weights[0] + a**2 * weights[1]


@case(A(0.2, 0.5, 0.9), inout=(0,))
def helper_breaks_out_of_its_loop_after_a_write(x):
    def settle(v, limit):
        for i in range(v.shape[0]):
            v[i] *= 2.0
            if v[i] > limit:
                break
        return i

    k = settle(x, 0.8)
    return x[k] * k


@case(A(0.2, 0.5, 0.9), A(0.1, 0.1, 0.3))
def arguments_evaluated_left_to_right(x, y):
    u = x.copy()

    def bump(v):
        v[0] += 1.0
        return v[0]

    return u[0] * bump(u) + bump(u) * u[0] + bump(y * 1.0) - bump(u) / u[0]


@case(A(0.2, 0.5, 0.9))
def stop_in_the_middle_of_both_loops(x):
    s = 0.0
    i = 0
    while i < 3:
        j = 0
        while True:
            s += x[i] * x[j]
            j += 1
            if j > i:
                break
            if s > 2.0:
                return s * s
        else:
            s = -1.0
        i += 1
    else:
        s *= 2.0
    return s


@case(A(0.2, 0.5, 0.9), 2)
def state_in_ints_and_bools(x, n):
    seen, last, k = False, 0, 0
    s = 1.0
    for i in range(3):
        if x[i] > 0.4 and not seen:
            seen, last = True, i
        elif seen:
            k += i * n
        s *= x[last] + k
    return s if seen else -s


@case(A(0.3, 0.1))
def three_axes(x):
    t = np.zeros((2, 3, 2))
    for i in range(2):
        for j in range(3):
            t[i, j] = x * (i + j)
    t[:, 1, :] *= t[:, 2, :]
    u = t.transpose(2, 0, 1)
    return np.sum(u[0] * u[1]) + np.sum(t.sum(axis=1) ** 2) + np.sum(t[..., 0] * t[1, :, 1])


@case(A(0.3, 0.1, 0.7))
def in_place_ufuncs(x):
    y = np.zeros(3)
    np.multiply(x, x, out=y)
    np.add(y, x, y)
    z = np.empty_like(y)
    z.fill(x[0])
    z[1:] = y[:-1]
    return np.dot(y, z)


@case(0.4, 12)
def scalars_in_a_long_recurrence(a, n):
    x, y, z = a, 0.5, 1.0
    for k in range(n):
        x, y, z = x + 0.1 * (y - x), y + 0.1 * (x * (1.4 - z) - y), z + 0.1 * (x * y - z)
        if k % 3 == 2:
            z *= 0.9
    return x * y * z


@case(A(0.3, 0.1, 0.7), 0.2)
def gradient_descent_on_a_quadratic(x, rate):
    q = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, 0.1], [0.0, 0.1, 3.0]])
    b = np.array([1.0, -1.0, 0.5])
    for _ in range(8):
        x = x - rate * (q @ x - b)
    return 0.5 * x @ q @ x - b @ x


_ = math


@case(A(0.2, 0.5, 0.9), A(0.1, 0.1, 0.3))
def expressions_read_before_a_call_writes(x, y):
    u, k = x.copy(), ORDER

    def bump(v):
        v[0] += 1.0
        v *= 2.0
        return v[0]

    s = np.sum(u * y + bump(u)) + np.sum(np.sin(u) * bump(u))
    s += np.sum((u * u).dot(y * bump(u)))
    t = u[k] * bump(u)
    u[k] += bump(u)
    return s + np.sum(t * u[:2])


@case(A(0.2, 0.5, 0.9))
def ufuncs_write_between_two_reads(x):
    u = x.copy()
    return np.sum(u * 2.0 - np.multiply(u, u, out=u)) + np.sum(u)
