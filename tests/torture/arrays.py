"""Arrays: views, aliases, overlaps, masks, broadcasting, memory that is chosen at run time."""

import math

import numpy as np

from torture import A, case

M = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


@case(A(1.0, 2.0, 3.0, 4.0), 3)
def ping_pong(x, n):
    a, b = x.copy(), np.zeros(4)
    for _ in range(n):
        for i in range(4):
            b[i] = 0.5 * a[i] * a[(i + 1) % 4]
        a, b = b, a
    return np.sum(a * a)


@case(A(1.0, 2.0, 3.0), 3, inout=(0,))
def ping_pong_into_the_argument(x, n):
    y = np.zeros(3)
    src, dst = x, y
    for k in range(n):
        dst[:] = np.sin(src) * (k + 1)
        src, dst = dst, src
    return src[0] + dst[1]


@case(A(1.0, 2.0, 3.0), inout=(0,))
def buffer_chosen_by_a_condition(x):
    y = np.ones(3)
    z = x if x[0] > 0.5 else y
    z[1] = z[0] * z[2]
    z[0] *= 2.0
    return x[1] * x[0] + y[1]


@case(A(1.0, 2.0, 3.0, 4.0), inout=(0,))
def alias_sees_writes(x):
    y = x
    y[0] = y[1] * y[2]
    x[1] = y[0]
    return y[1] * x[3]


@case(A(1.0, 2.0, 3.0, 4.0), inout=(0,))
def view_of_a_view(x):
    v = x[1:][::-1]
    w = v[:2]
    w *= x[0]
    v[2] = w[0] * w[1]
    return x[1] + x[2] * x[3]


@case(A(1.0, 2.0, 3.0, 4.0, 5.0), inout=(0,))
def overlapping_shift(x):
    x[1:] = x[:-1]
    x[0] = x[4] * x[1]


@case(A(1.0, 2.0, 3.0, 4.0, 5.0), inout=(0,))
def overlapping_reverse(x):
    x[:] = x[::-1] * x


@case(A(1.0, 2.0, 3.0, 4.0, 5.0), inout=(0,))
def overlapping_augmented(x):
    x[1:] += x[:-1]
    x[:-1] *= x[1:]


@case(A(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), inout=(0,))
def strided_writes(x):
    x[::2] = x[1::2] * x[::2]
    x[1::3] = 7.0
    x[-1:0:-2] *= x[0]


@case(A(1.0, 2.0, 3.0, 4.0))
def negative_indices(x):
    return x[-1] * x[-2] + x[-4] ** 2


@case(A(1.0, 2.0, 3.0, 4.0), -3)
def negative_index_at_run_time(x, k):
    x2 = x * 1.0
    x2[k] = x2[k - 1] * 2.0
    return x2[k] * x[k]


@case(A(1.0, 2.0, 3.0, 4.0), 1, 7)
def slice_bounds_at_run_time(x, lo, hi):
    return np.sum(x[lo:hi] ** 2) + np.sum(x[-2:hi]) * np.sum(x[hi:])


@case(M, inout=(0,))
def transposed_view_is_written(m):
    t = m.T
    t[2, 0] = t[0, 0] * t[1, 1]
    t += 1.0
    return m[0, 2]


@case(M, inout=(0,))
def rows_are_views(m):
    for row in m:
        row *= row[0]
        row[1] = row[2]


@case(M)
def row_of_a_copy(m):
    r = m[0].copy()
    r[0] = m[1, 2] * r[1]
    return np.sum(r * m[1])


@case(M, inout=(0,))
def columns_written(m):
    m[:, 0] = m[:, 1] * m[:, 2]
    m[:, -1] += m[:, 0]


@case(M)
def reshaped(m):
    v = m.reshape(-1)
    w = m.reshape(3, 2)
    u = m.T.reshape((2, 3))
    return v[1] * w[2, 0] + np.sum(u[0] * m[1])


@case(M, inout=(0,))
def reshape_is_a_view_where_it_can_be(m):
    v = m.ravel()
    v[4] = v[0] * v[1]
    f = m.flatten()
    f[0] = 100.0
    return m[1, 1] * f[5]


@case(A(1.0, -2.0, 3.0, -4.0))
def masked_read(x):
    y = x[x > 0.0]
    return np.sum(y * y) * y.size


@case(A(1.0, -2.0, 3.0, -4.0), inout=(0,))
def masked_write_of_a_scalar(x):
    x[x < 0.0] = x[0] * 2.0
    return np.sum(x)


@case(A(1.0, -2.0, 3.0, -4.0), inout=(0,))
def masked_augmented(x):
    x[x < 0.0] *= x[2]


@case(A(1.0, -2.0, 3.0, -4.0), inout=(0,))
def masked_write_of_masked_values(x):
    mask = x < 0.0
    x[mask] = x[mask] ** 2


@case(M, inout=(0,))
def masked_matrix(m):
    m[m > 0.4] = 0.1
    return np.sum(m)


@case(A(1.0, 2.0, 3.0, 4.0), np.array([3, 0, 0, -1]))
def gather_with_repeats(x, k):
    y = x[k]
    return np.sum(y * y * A4)


A4 = np.array([1.0, 2.0, 3.0, 4.0])


@case(A(1.0, 2.0, 3.0, 4.0), np.array([3, 0, 0]), inout=(0,))
def scatter_with_repeats(x, k):
    x[k] = x[1:] * x[0]


@case(A(1.0, 2.0, 3.0, 4.0), np.array([3, 0, 0]), inout=(0,))
def scatter_add_with_repeats(x, k):
    x[k] += x[1:] * x[0]


@case(M, np.array([1, 0, 1]), np.array([2, 2, 0]))
def gather_pairs(m, i, j):
    return np.sum(m[i, j] ** 2) + np.sum(m[i][0] * m[:, j][1])


@case(M, np.array([1, 0, 1]))
def gather_of_a_gather(m, k):
    return np.sum(np.sin(m[k])[:, k])


@case(M, A(1.0, 2.0, 3.0), inout=(0,))
def broadcast_write(m, v):
    m[:] = v * m[0, 0]
    m[1] += v[::-1]


@case(M, A(1.0, 2.0))
def broadcast_read(m, v):
    return np.sum(m * v[:, None] + v[:, np.newaxis] ** 2)


@case(A(1.0, 2.0), A(0.5, -1.0, 3.0))
def outer_by_newaxis(u, v):
    w = u[:, None] * v[None, :]
    return w[1, 2] * w[0, 0] + np.sum(np.outer(v, u)[2])


@case(A(1.0, 2.0, 3.0), inout=(0,))
def self_assignment(x):
    x[:] = x
    x[0:2] = x[0:2]
    x += x
    return x[0] * x[1]


@case(A(1.0, 2.0, 3.0))
def in_place_on_a_copy(x):
    y = x.copy()
    y *= y
    y -= x
    y /= 2.0
    y **= 2
    return np.sum(y)


@case(A(1.0, 2.0, 3.0))
def augmented_name_of_a_view(x):
    y = x.copy()
    v = y[1:]
    v *= 3.0
    return np.sum(y * y)


@case(A(1.0, 2.0, 3.0))
def result_of_where_both_ways(x):
    return np.sum(np.where(x > 1.5, x * x, np.sin(x))) + np.where(x[0] > 0.0, x[1], x[2])


@case(A(1.0, 2.0, 3.0), A(0.5, 0.6, 0.7))
def concatenated(x, y):
    z = np.concatenate((x[1:], y, x[:1]))
    w = np.stack((x, y))
    v = np.stack([x, y], axis=1)
    return np.sum(z * np.arange(6)) + w[1, 2] * w[0, 0] + v[2, 0] * v[1, 1]


@case(A(1.0, 2.0, 3.0))
def cumulative(x):
    return np.sum(np.cumsum(x) ** 2)


@case(A(0.2, 2.0, -3.0), 0.5, 1.5)
def clipped(x, lo, hi):
    return np.sum(np.clip(x, lo, hi) ** 2 * A4[:3])


@case(M)
def reductions_along_axes(m):
    return np.sum(np.sum(m, axis=0) ** 2) + np.sum(m.mean(axis=1) ** 3) + np.sum(m.max(axis=1)) * np.min(m) + np.prod(m[0])


@case(M)
def reductions_that_keep_dimensions(m):
    c = m - m.mean(axis=1, keepdims=True)
    return np.sum(c * c * m)


@case(A(3.0, 1.0, 2.0))
def extremes(x):
    return np.max(x) * np.min(x) + max(x[0], x[1], x[2]) ** 2 + min(x)


@case(M, A(1.0, 2.0, 3.0))
def products(m, v):
    w = m @ v
    return w @ (m * 2.0) @ v + np.dot(v, v) + np.dot(m, m.T)[0, 1]


@case(np.arange(12.0).reshape(4, 3) / 7.0, A(0.3, -0.2, 0.9))
def vectors_allocated_in_a_loop(m, v):
    s = 0.0
    for i in range(4):
        t = np.zeros(3)
        for j in range(3):
            t[j] = m[i, j] * v[j]
        t = np.tanh(t) * v
        s += np.sum(t * t)
        v = t + v
    return s


@case(A(0.3, -0.2, 0.9))
def masks_made_in_a_loop(x):
    s = 0.0
    for k in range(3):
        mask = x > 0.1 * k
        y = np.where(mask, x * x, 0.5 * x)
        idx = np.arange(3)
        idx[k] = 0
        s += np.sum(y[idx] * y)
        x = y
    return s


@case(A(0.3, -0.2, 0.9))
def view_carried_by_a_loop(x):
    v = x * 1.0
    s = 1.0
    while v.shape[0] > 1:
        s += v[0] * v[-1] * s
        v = v[1:]
    return s


@case(A(0.3, -0.2, 0.9, 0.4), inout=(0,))
def halves_swapped(x):
    lo, hi = x[:2], x[2:]
    t = lo.copy()
    lo[:] = hi
    hi[:] = t * lo


@case(A(0.3, -0.2, 0.9, 0.4))
def two_names_one_array_in_a_loop(x):
    y = x.copy()
    z = y
    for i in range(1, 4):
        z[i] = y[i - 1] * x[i] + z[i]
        if i == 2:
            z = x.copy()
    return np.sum(y) + 3.0 * np.sum(z)


@case(A(0.3, -0.2, 0.9))
def prefix_scan_in_place(x):
    y = x * 1.0
    for i in range(1, 3):
        y[i] *= y[i - 1]
    for i in range(2):
        y[i] = y[i] + y[i + 1] ** 2
    return y[0] * y[1] * y[2]


@case(A(0.3, -0.2, 0.9), inout=(0,))
def overwritten_by_constants(x):
    s = x[0] * x[1]
    x[0] = 3.0
    s += x[0] * x[2]
    x[:] = 0.0
    return s


@case(np.array([[2.0, 1.0], [0.5, 3.0]]), A(1.0, 2.0), inout=(1,))
def product_operand_overwritten(m, v):
    w = m @ v
    v[:] = w
    w = m @ v
    v *= 0.0
    return w @ w


@case(A(0.4, 0.7))
def shapes_from_arguments(x):
    n = x.shape[0]
    m = np.zeros((n + 1, n))
    for i in range(n + 1):
        m[i, :] = x * i
    return np.sum(m**2) * len(m) + m.size + x.ndim


@case(A(0.4, 0.7))
def empty_arrays(x):
    y = np.zeros(0)
    return np.sum(y) + np.sum(x[2:]) + np.sum(x * x)


@case(A(0.4, 0.7, 0.1), np.array([True, False, True]))
def mask_argument(x, keep):
    return np.sum(x[keep] ** 2) + np.sum(np.where(keep, x, 2.0 * x))


@case(A(0.4, 0.7, 0.1))
def lists_and_literals(x):
    y = np.array([x[0], x[1] * x[2], 3.0])
    rows = np.array([[x[0], 1.0], [2.0, x[1]]])
    parts = [x[0], x[1]]
    return np.sum(y * y) + rows[0, 0] * rows[1, 1] + sum(parts) * parts[1]


@case(A(0.4, 0.7, 0.1))
def comprehension(x):
    squares = [v * v for v in (x[0], x[1], x[2])]
    return squares[0] * squares[1] + sum([x[i] * i for i in range(3)])


@case(A(0.4, 0.7, 0.1, 0.2).reshape(2, 2), 3)
def matrix_power_in_place(m, n):
    p = np.eye(2)
    for _ in range(n):
        q = np.zeros((2, 2))
        for i in range(2):
            for j in range(2):
                for k in range(2):
                    q[i, j] += p[i, k] * m[k, j]
        p = q
    return p[0, 1] * p[1, 0] + np.trace(p)


_ = math


@case(A(0.4, 0.7, 0.1))
def arrays_of_ints_made_inside(x):
    order = np.zeros(3, dtype=np.int64)
    for i in range(3):
        order[i] = (2 * i) % 3
    order += 1
    s = 0.0
    for k in order:
        s = s * 2.0 + x[k - 1] ** k
    return s
