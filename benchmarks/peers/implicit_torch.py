"""torchdeq, and unrolled torch, on the batched fixed point of ``implicit.py``: ``implicit_torch.py problem.npz batch_gradient variant``."""

import resource
import sys

import numpy as np
import torch
import torchdeq
from serve import serve

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def batch_gradient(problem, variant="anderson"):
    """Loss and gradient: "anderson" and "iteration" by torchdeq with its implicit gradient, "unrolled" without a rule."""
    W, U, b = (torch.tensor(problem[k], requires_grad=True) for k in ("W", "U", "b"))
    X, target, xtol = torch.tensor(problem["X"]), torch.tensor(problem["target"]), float(problem["xtol"])
    zero = torch.zeros(len(X), len(W))
    solver = {"anderson": "anderson", "iteration": "fixed_point_iter"}.get(variant)
    cell = lambda z: torch.tanh(z @ W.T + X @ U.T + b)
    if solver is not None:
        deq = torchdeq.get_deq(
            f_solver=solver, b_solver=solver, f_max_iter=500, b_max_iter=500, f_tol=xtol, b_tol=xtol, f_stop_mode="rel", b_stop_mode="rel",
            ift=True,
        )  # fmt: skip

    def solve():
        if solver is not None:
            return deq(cell, zero)[0][-1]
        z = zero
        for _ in range(int(problem["unrolled"])):
            z = cell(z)
        return z

    def step():
        for weight in (W, U, b):
            weight.grad = None
        loss = torch.mean((solve() - target) ** 2)
        loss.backward()
        return loss

    def report():
        loss = step()
        with torch.no_grad():
            z = solve()
            residual = float(torch.max(torch.linalg.norm(cell(z) - z, dim=1) / torch.linalg.norm(z, dim=1)))
        return {"loss": float(loss), "gradient": torch.cat([w.grad.ravel() for w in (W, U, b)]).tolist(), "residual": residual,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}  # fmt: skip

    return step, report


def main(path, work, *variant):
    step, report = batch_gradient(np.load(path), *variant)
    serve(step, report, warmup=3)


main(*sys.argv[1:])
