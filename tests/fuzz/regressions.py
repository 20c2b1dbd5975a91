"""Programs that were once wrong or crashed, cut down to what it took."""

from __future__ import annotations

__all__ = ["REGRESSIONS"]

HEAD = "import math\n\nimport numpy as np\n\n\ndef f(x, m, a, b, n, idx):\n"

_BODIES = {
    "loop_that_only_overwrites": """
    for a in x:
        pass
    return a
""",
    "growing_tape_inside_an_independent_loop": """
    for i4 in x:
        for i5 in range(len(x), 0, -1):
            m[:] = np.sin(m)
    return a
""",
    "constant_of_a_region_that_goes": """
    for x in x:
        u4 = a * np.full(5, a)
        a = u4[n]
    return a
""",
    "constant_of_a_branch": """
    if a > 5.0:
        return a
    return np.mean(a * np.full(5, 0.5))
""",
    "clipping_decided_by_ranges": """
    for i4 in x:
        x[1:4] *= (np.zeros((3, 5))).sum(axis=1)
    return a
""",
    "clipping_of_two_slices": """
    for s3 in x:
        x[::2] += x[1:4]
    return a
""",
    "check_that_holds": """
    u2 = np.concatenate((x, (5.0,)))
    u2[-1] = a
    return u2[0] * u2[5]
""",
    "return_where_a_condition_is_known": """
    if b > 7.0:
        a = a * b
    else:
        if 2.0 > 1.0:
            return a * b * b
    return b
""",
    "operand_overwritten_after_a_product": """
    u = np.ones(5)
    for i in range(3):
        v = m @ u
        u[:3] = np.sin(v)
        u[3:] = v[:2] * a
    return np.sum(u)
""",
    "masks_made_in_each_trip": """
    for i in range(n):
        mask = x > 0.1 * i
        order = np.arange(4)
        order[i] = i
        x[mask] *= np.sin(x[mask])
        x[order] = x[order] * a
    return np.sum(x)
""",
    "product_that_reads_what_is_written": """
    m += np.ones((3, 1)) * (x[:3] @ m)
    return m[n % 3, 2]
""",
    "gather_from_what_is_written": """
    x[:4] = x[idx]
    x[1:] = x[idx] * a
    return x[n]
""",
    "assigned_in_a_loop_before_continue": """
    for s in x:
        for i in range(len(x) - 1, 0, -1):
            b = s
        continue
    return b
""",
    "closure_over_a_name_that_only_it_reads": """
    c = a

    def scaled(v):
        return v * c

    for i in range(n):
        b = scaled(b) + x[i]
        c = b
    return b
""",
    "value_of_an_inner_loop_before_a_break": """
    for i in range(5):
        if i > 1 or a > -5.0:
            for k in range(5):
                b = a * x[k]
                m[k % 3, 0] = a
            break
    return b
""",
    "value_at_a_break_that_the_else_overwrites": """
    for i in range(5):
        if x[i] > 0.1:
            b = a * x[i]
            break
        for k in range(5):
            b = b * x[k]
        if b > 2.0:
            break
    else:
        b = a
    return b
""",
    "value_of_an_inner_loop_before_a_continue": """
    s = 0.0
    while s < 6.0:
        s = s + 1.0
        if b < 5.0:
            for k in range(5):
                b = b + a * x[k]
            continue
        s = 7.0
    return b
""",
    "store_in_a_loop_as_long_as_the_trip_number_of_the_loop_around": """
    s = 0.0
    for k in range(n):
        for l in range(k):
            x[k - 1] = x[k - 1] * 3.0 + x[k]
        s += x[0] * x[0] * a
    return s
""",
}

REGRESSIONS = {name: HEAD + body.lstrip("\n") for name, body in _BODIES.items()}
