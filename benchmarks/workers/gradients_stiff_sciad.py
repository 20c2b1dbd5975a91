"""sciad on `gradient_problems`: ``gradients_stiff_sciad.py PROBLEM method adjoint``, or ``gradients_stiff_sciad.py memory``."""

import sys
import tracemalloc

import numpy as np
from gradient_problems import BRUSSELATOR, NETWORK, SCALAR, brusselator_start, hires, network_start, orego, pollu
from serve import answer, serve

import sciad
from sciad.adjoints import Discrete, Forward, Gauss


def hires_rhs(t, y, p):
    return hires(y, p)


def orego_rhs(t, y, p):
    return orego(y, p)


def pollu_rhs(t, y, p):
    return pollu(y, p)


def brusselator(dy, t, y, p, scale):
    n = y.shape[1]
    for i in range(n):
        for j in range(n):
            above, below, left, right = (i - 1) % n, (i + 1) % n, (j - 1) % n, (j + 1) % n
            u, v = y[0, i, j], y[1, i, j]
            around_u = y[0, above, j] + y[0, below, j] + y[0, i, left] + y[0, i, right] - 4.0 * u
            around_v = y[1, above, j] + y[1, below, j] + y[1, i, left] + y[1, i, right] - 4.0 * v
            dy[0, i, j] = p[2, i, j] * scale * around_u + p[1, i, j] + u * u * v - (p[0, i, j] + 1.0) * u
            dy[1, i, j] = p[3, i, j] * scale * around_v + p[0, i, j] * u - u * u * v


def network(t, y, layers, scale):
    h = y
    for w, b in layers[:-1]:
        h = np.tanh(w @ h + b)
    w, b = layers[-1]
    return scale * (w @ h + b)


def problem_of(name):
    """loss(p, method, adjoint, rtol, atol), p, rtol, atol."""
    if name.startswith("brusselator"):
        end, times, rtol, atol = BRUSSELATOR
        y0, p, scale = brusselator_start(int(name[11:]))

        def states(p, method, adjoint, rtol, atol):
            options = {"args": (p, scale), "rtol": rtol, "atol": atol, "adjoint": adjoint}
            return sciad.solve_ivp(brusselator, (0.0, end), y0, method, times, **options).ys

        return lambda p, *given: 0.5 * np.sum((1.0 - states(p, *given)) ** 2), p, rtol, atol
    if name == "network":
        end, y0, times, rtol, atol = NETWORK
        p, scale = network_start()

        def loss(p, method, adjoint, rtol, atol):
            options = {"args": (p, scale), "rtol": rtol, "atol": atol, "adjoint": adjoint}
            return np.sum(sciad.solve_ivp(network, (0.0, end), np.array(y0), method, times, **options).ys ** 2)

        return loss, p, rtol, atol
    _, end, y0, p, times, rtol, atol = SCALAR[name]
    fun = {"hires": hires_rhs, "orego": orego_rhs, "pollu": pollu_rhs}[name]

    def loss(p, method, adjoint, rtol, atol):
        options = {"args": (p,), "rtol": rtol, "atol": atol, "adjoint": adjoint}
        return np.sum(sciad.solve_ivp(fun, (0.0, end), np.array(y0), method, times, **options).ys ** 2)

    return loss, np.array(p), rtol, atol


def flat(tree):
    """All numbers of a gradient, as a list."""
    if isinstance(tree, np.ndarray):
        return tree.ravel().tolist()
    return [x for part in tree for x in flat(part)]


def weighed(gradient, p):
    """p . dL/dp entry by entry: rates differ by fifteen orders of magnitude."""
    return [a * b if b else a for a, b in zip(flat(gradient), flat(p))]


def main(name, method, adjoint):
    loss, p, rtol, atol = problem_of(name)
    gradient = sciad.value_and_grad(lambda p: loss(p, method, adjoint, rtol, atol))

    def report():
        value, g = gradient(p)
        found = {"loss": float(value), "gradient": weighed(g, p), "parameters": len(flat(p))}
        if name in SCALAR:
            found["reference"] = weighed(sciad.grad(lambda p: loss(p, "RadauIIA5", Forward(), 1e-10, 1e-4 * atol))(p), p)
        return found

    slow = name.startswith("brusselator") and int(name[11:]) > 10
    serve(lambda: gradient(p), report, warmup=1 if slow else 5, primal=lambda: loss(p, method, adjoint, rtol, atol))


def memory():
    """Peak of traced memory of one gradient of Lotka-Volterra, by number of steps and way to keep them."""

    def field(t, y, p):
        return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])

    p, rows = np.array([1.5, 1.0, 1.0, 3.0]), []
    ways = {
        "discrete": "discrete", "discrete, states": Discrete("states"), "discrete, 100 checkpoints": Discrete(checkpoints=100),
        "gauss": "gauss", "gauss, 100 checkpoints": Gauss(checkpoints=100), "backsolve": "backsolve",
    }  # fmt: skip
    for steps in (1000, 10_000, 100_000):
        end, row = steps * 0.01, {}
        for name, way in ways.items():
            options = {"args": (p,), "rtol": 1e-3, "atol": 1e-3, "max_step": 0.01, "adjoint": way, "max_steps": 10**6}

            def loss(p, end=end, options=options):
                return np.sum(sciad.solve_ivp(field, (0.0, end), np.ones(2), "Tsit5", [end], **{**options, "args": (p,)}).ys ** 2)

            try:
                if steps == 1000:
                    sciad.grad(loss)(p)
                tracemalloc.start()
                sciad.grad(loss)(p)
                row[name] = tracemalloc.get_traced_memory()[1]
            except sciad.SciadError:
                row[name] = None
            finally:
                tracemalloc.stop()
        rows.append((steps, row))
    answer({"memory": rows})


if __name__ == "__main__":
    if sys.argv[1] == "memory":
        memory()
    else:
        main(*sys.argv[1:])
