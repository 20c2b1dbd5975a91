"""sciad's training iteration: ``neural_ode_sciad.py problem.npz Dopri5|Tsit5 [first]``."""

import sys

import numpy as np
from serve import answer, serve

import sciad


def field(t, y, p):
    """tanh network on the cube of the state, as in torchdiffeq's ode_demo."""
    (W1, b1), (W2, b2) = p
    return np.tanh(y**3 @ W1 + b1) @ W2 + b2


def main(path, method, mode="serve"):
    problem = np.load(path)
    t, starts, targets = problem["t"], problem["starts"], problem["targets"]
    options = {"method": method, "t_eval": t, "rtol": float(problem["rtol"]), "atol": float(problem["atol"]), "adjoint": "discrete"}
    optimizer = sciad.optim.rmsprop(float(problem["lr"]))
    initial = (sciad.nn.Layer(problem["W1"], problem["b1"]), sciad.nn.Layer(problem["W2"], problem["b2"]))
    p, state, turn = initial, optimizer.init(initial), 0

    def loss(p, start, target):
        solution = sciad.solve_ivp(field, (t[0], t[-1]), start, args=(p,), **options)
        return np.mean(np.abs(solution.ys - target))

    value_and_grad = sciad.value_and_grad(loss)

    def step():
        nonlocal p, state, turn
        k = turn % len(starts)
        if k == 0:  # every worker trains the same first iterations over and over: later ones take more steps
            p, state = initial, optimizer.init(initial)
        _, gradient = value_and_grad(p, starts[k], targets[k])
        p, state = optimizer.update(gradient, state, p)
        turn += 1

    def report():
        value, gradient = value_and_grad(initial, starts[0], targets[0])
        return {"loss": float(value), "gradient": np.concatenate([np.ravel(g) for layer in gradient for g in layer]).tolist()}

    if mode == "first":
        answer(report())
    else:
        serve(step, report)


main(*sys.argv[1:])
