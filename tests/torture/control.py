# ruff: noqa: B007
"""Control flow: loops of all kinds, early exits, values that survive them."""

import math

import numpy as np

from torture import A, case


@case(A(0.5, -1.0, 2.0))
def sum_of_rows_by_iteration(x):
    s = 0.0
    for v in x:
        s += v * s + v
    return s


@case(A(0.5, -1.0, 2.0), 2)
def counted_down(x, n):
    s = 1.0
    for i in range(n, -1, -1):
        s = s * x[i] + i
    return s


@case(A(0.5, -1.0, 2.0, 0.3, 0.7), 2)
def stride_that_is_an_argument(x, step):
    s = 1.0
    for i in range(0, 5, step):
        s *= x[i]
    return s


@case(A(0.5, -1.0, 2.0, 0.3, 0.7), -2)
def negative_stride_that_is_an_argument(x, step):
    s = 1.0
    for i in range(4, 0, step):
        s = s * x[i] + x[i - 1]
    return s


@case(A(0.5, 1.5, -2.0), A(1.0, 2.0, 3.0))
def zipped(x, y):
    s = 0.0
    for a, b in zip(x, y):
        s += a * b * b
    return s


@case(A(0.5, 1.5, -2.0))
def enumerated_from_one(x):
    s = 0.0
    for k, v in enumerate(x, 1):
        s += v**k
    return s


@case(A(0.5, 1.5, -2.0))
def reversed_range(x):
    s = 0.3
    for i in reversed(range(3)):
        s = math.sin(s * x[i])
    return s


@case(A(0.5, 1.5, -2.0))
def zip_of_enumerate_and_reverse(x):
    s = 0.0
    for (i, a), b in zip(enumerate(x), reversed(x)):
        s += (i + 1) * a * b
    return s


@case(A(0.5, 1.5, -2.0), 1.0)
def else_of_a_loop_that_breaks(x, limit):
    s = 0.0
    for v in x:
        s += v
        if s > limit:
            break
    else:
        s = s * 10.0
    return s * s


@case(A(0.5, 0.2, -2.0), 1.0)
def else_of_a_loop_that_ends(x, limit):
    s = 0.0
    for v in x:
        s += v
        if s > limit:
            break
    else:
        s = s * 10.0
    return s * s


@case(2.0)
def else_of_a_while(a):
    k = 0
    while k < 3:
        a = math.sin(a)
        if a > 5.0:
            break
        k += 1
    else:
        a = a * 3.0
    return a * k


@case(A(0.1, 0.4, 0.9, 1.6), 0.45)
def break_out_of_two_loops(x, t):
    s = 0.0
    found = False
    for i in range(4):
        for j in range(4):
            s += x[i] * x[j]
            if s > t:
                found = True
                break
        if found:
            break
    return s * s


@case(A(0.1, 0.4, 0.9, 1.6), 0.3)
def return_from_two_loops(x, t):
    for i in range(4):
        for j in range(i, 4):
            if x[i] * x[j] > t:
                return x[i] ** 2 * x[j]
    return x[0] + t


@case(A(0.1, 0.4, 0.9, 1.6))
def continue_in_both_loops(x):
    s = 0.0
    for i in range(4):
        if x[i] < 0.2:
            continue
        for j in range(4):
            if i == j:
                continue
            s += x[i] / x[j]
    return s


@case(2.5)
def newton_to_a_tolerance(a):
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


@case(0.7)
def while_true_with_break(a):
    k = 0
    while True:
        a = a * 0.9 + 0.01 * k
        k += 1
        if a < 0.5 or k > 20:
            break
    return a


@case(0.7, 3.0)
def while_that_never_runs(a, b):
    while a > 1.0:
        a = a / b
    return a * b


@case(1.0, 0.5)
def while_over_two_conditions(a, b):
    n = 0
    while a < 10.0 and n < 7:
        a = a * (1.0 + b)
        b = b * 0.9
        n += 1
    return a + b


@case(A(3.0, 1.0, 2.0))
def zero_trips_keep_the_value(x):
    s = x[0]
    for i in range(0):
        s = s * x[1]
    for i in range(2, 2):
        s = 0.0
    return s * x[2]


@case(A(3.0, 1.0, 2.0))
def loop_variable_afterwards(x):
    for i in range(3):
        pass
    for v in x:
        pass
    return v * i


@case(A(3.0, 1.0, 2.0))
def loop_variable_assigned_in_the_body(x):
    s = 0.0
    for i in range(3):
        j = i
        i = 2 - i
        s += x[i] * (j + 1)
    return s


@case(0.4, 3)
def triangle_of_loops(a, n):
    s = 0.0
    for i in range(n):
        for j in range(i + 1):
            for k in range(j, n):
                s += math.sin(a * (i + j + k))
    return s


@case(A(0.2, 0.9), 0.5)
def chain_of_elif(x, a):
    s = 0.0
    for v in x:
        if v < 0.1:
            s += v
        elif v < 0.5:
            s += v * v * a
        elif v < 0.7:
            s -= v
        else:
            s += a / v
    return s


@case(0.3, 0.8)
def chained_comparison(a, b):
    return a * b if 0.0 < a < b <= 1.0 else a - b


@case(0.3, 0.0)
def short_circuit_guards_a_division(a, b):
    if b != 0.0 and a / b > 1.0:
        return a / b
    return a * 3.0 + b


@case(A(0.3, 0.6), 2)
def short_circuit_guards_an_index(x, i):
    if i < 2 and x[i] > 0.0:
        return x[i]
    return x[0] * x[1]


@case(0.3, 0.8)
def or_with_side_condition(a, b):
    if a > 1.0 or b > 0.5:
        a = a * b
    if not (a > 1.0):
        a = a + b
    return a * a


@case(0.3, 0.8)
def nested_conditional_expressions(a, b):
    return (a if a > b else b) * (b * a if b > 0.5 else (a if a > 0.1 else 1.0))


@case(1.5)
def defined_on_both_branches(a):
    if a > 1.0:
        b, c = a * a, 2.0
    else:
        c, b = a, 3.0
    return b * c


@case(1.5)
def kinds_promoted_at_a_join(a):
    k = 1
    if a > 1.0:
        k = a
    for _ in range(3):
        k = k * a
    return k


@case(A(0.5, 1.5, 2.5))
def running_maximum(x):
    best = -1e300
    where = 0
    for i in range(3):
        if x[i] > best:
            best = x[i]
            where = i
    return best * x[where]


@case(0.9, 4)
def logistic_in_a_tuple(a, n):
    state = (a, 0.1)
    for _ in range(n):
        state = (3.2 * state[1] * (1.0 - state[1]), state[0] * state[1])
    return state[0] + state[1]


@case(0.9)
def early_returns_of_different_depth(a):
    if a > 2.0:
        return a
    s = 0.0
    for i in range(5):
        if i == 3:
            if s > 100.0:
                return -s
            if s > 0.5:
                return s * a
        s += a * i
    return s


@case(A(1.0, 2.0, 3.0))
def for_with_return_in_else(x):
    for v in x:
        if v > 10.0:
            return v
    else:
        return x[0] * x[1] * x[2]


@case(1.3)
def nothing_but_pass(a):
    if a > 1.0:
        pass
    else:
        a = 2.0
    return a * a


@case(0.5, 60)
def depth_of_a_running_product(a, n):
    s = 1.0
    for k in range(1, n):
        s = s * (1.0 + a / (k * k))
    return s


@case(A(0.5, 1.5, 2.5), 2)
def assertion_and_raise_on_the_other_path(x, n):
    assert n > 0, "n"
    if n > 5:
        raise ValueError("too many")
    return x[n] * n


@case(A(0.1, 0.7, 0.3, 0.9))
def bubble_sort_by_swaps(x):
    y = x.copy()
    for i in range(4):
        for j in range(3 - i):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y[0] + 2.0 * y[1] + 3.0 * y[2] + 4.0 * y[3]


@case(A(0.1, 0.7, 0.3, 0.9), inout=(0,))
def insertion_sort_in_place(x):
    for i in range(1, 4):
        v = x[i]
        j = i - 1
        while j >= 0 and x[j] > v:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = v


@case(0.3, 1e-12)
def secant_with_state(a, tol):
    x0, x1 = 0.0, 1.0
    f0 = math.cos(x0) - a - x0
    for _ in range(50):
        f1 = math.cos(x1) - a - x1
        if abs(f1) < tol:
            break
        x0, x1, f0 = x1, x1 - f1 * (x1 - x0) / (f1 - f0), f1
    return x1


@case(A(1.0, 2.0))
def maybe_unbound_but_bound(x):
    for v in x:
        if v > 1.5:
            w = v * v
    return w * x[0]


@case(A(1.0, 2.0), 1)
def flag_in_an_int(x, mode):
    s = 0.0
    for v in x:
        if mode == 0:
            s += v
        elif mode == 1:
            s += v * v
            mode = 2
        else:
            s *= v
    return s


_ = np
