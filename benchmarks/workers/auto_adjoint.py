"""Times and errors of every adjoint on one problem: ``auto_adjoint.py PROBLEM method rounds``."""

import statistics
import sys
import time

import numpy as np
from gradients_sciad import PROBLEMS, WEIGHTS, lotka_volterra, rober
from gradients_stiff_sciad import flat, problem_of, weighed
from serve import answer

import sciad

ADJOINTS = ("auto", "discrete", "gauss", "quadrature", "interpolating", "backsolve", "forward")
TOO_LONG = 5.0  # seconds of one gradient


def loss_of(name):
    """loss(p, method, adjoint, rtol, atol), p, rtol, atol."""
    if name not in PROBLEMS:
        return problem_of(name)
    span, y0, p, times, rtol, atol = PROBLEMS[name]
    fun = {"lotka_volterra": lotka_volterra, "rober": rober}[name]

    def loss(p, method, adjoint, rtol, atol):
        ys = sciad.solve_ivp(fun, span, np.array(y0), method, times, args=(p,), rtol=rtol, atol=atol, adjoint=adjoint).ys
        return np.sum(ys**2) if name == "lotka_volterra" else np.sum(ys @ WEIGHTS)

    return loss, p, rtol, atol


def main(name, method, rounds):
    loss, p, rtol, atol = loss_of(name)
    many = len(flat(p)) > 300
    judge = "gauss" if many else "forward"
    truth = np.array(weighed(sciad.grad(lambda p: loss(p, method, judge, 0.01 * rtol, 0.01 * atol))(p), p))
    found, gradients = {}, {}
    for adjoint in ADJOINTS:
        if many and adjoint == "forward":
            found[adjoint] = {"left_out": "too many parameters"}
            continue
        gradient = sciad.value_and_grad(lambda p, adjoint=adjoint: loss(p, method, adjoint, rtol, atol))
        try:
            gradient(p)
            begin = time.perf_counter()
            g = np.array(weighed(gradient(p)[1], p))
        except sciad.SciadError as error:
            found[adjoint] = {"left_out": str(error)[:200]}
            continue
        if time.perf_counter() - begin > TOO_LONG:
            found[adjoint] = {"left_out": f"more than {TOO_LONG} s"}
            continue
        found[adjoint] = {"error": float(np.linalg.norm(g - truth) / np.linalg.norm(truth))}
        gradients[adjoint] = gradient
    seconds = {adjoint: [] for adjoint in gradients}
    each = 1 if many else 5
    for _ in range(rounds):
        for adjoint, gradient in gradients.items():
            for k in range(each + 1):  # the first finds cold caches
                begin = time.perf_counter()
                gradient(p)
                if k > 0:
                    seconds[adjoint].append(time.perf_counter() - begin)
    for adjoint, times in seconds.items():
        found[adjoint]["seconds"] = statistics.median(times)
    answer(found)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
