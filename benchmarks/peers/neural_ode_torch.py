"""torchdiffeq's training iteration: ``neural_ode_torch.py problem.npz odeint|odeint_adjoint``."""

import sys

import numpy as np
import torch
import torchdiffeq
from serve import serve

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Field(torch.nn.Module):
    """tanh network on the cube of the state, as in torchdiffeq's ode_demo."""

    def __init__(self, problem):
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, problem["W1"].shape[1]), torch.nn.Linear(problem["W1"].shape[1], 2)
        with torch.no_grad():
            for layer, W, b in ((self.first, "W1", "b1"), (self.second, "W2", "b2")):
                layer.weight.copy_(torch.tensor(problem[W].T))
                layer.bias.copy_(torch.tensor(problem[b]))

    def forward(self, t, y):
        return self.second(torch.tanh(self.first(y**3)))


def main(path, entry):
    problem = np.load(path)
    solve, field = getattr(torchdiffeq, entry), Field(problem)
    initial = {name: value.clone() for name, value in field.state_dict().items()}
    t, starts, targets = (torch.tensor(problem[name]) for name in ("t", "starts", "targets"))
    tolerances = {"rtol": float(problem["rtol"]), "atol": float(problem["atol"])}
    optimizer, turn = None, 0

    def restart():
        nonlocal optimizer
        field.load_state_dict(initial)
        optimizer = torch.optim.RMSprop(field.parameters(), lr=float(problem["lr"]))

    def gradient(k):
        field.zero_grad()
        predicted = solve(field, starts[k], t, method="dopri5", **tolerances)
        loss = torch.mean(torch.abs(predicted - targets[k]))
        loss.backward()
        return loss

    def step():
        nonlocal turn
        if turn % len(starts) == 0:  # every worker trains the same first iterations over and over: later ones take more steps
            restart()
        gradient(turn % len(starts))
        optimizer.step()
        turn += 1

    def report():
        loss = gradient(0)
        gradients = (field.first.weight.grad.T, field.first.bias.grad, field.second.weight.grad.T, field.second.bias.grad)
        return {"loss": loss.item(), "gradient": torch.cat([g.reshape(-1) for g in gradients]).tolist()}

    serve(step, report, warmup=5)


main(*sys.argv[1:])
