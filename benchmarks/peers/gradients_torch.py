"""torchdiffeq's gradient of the Lotka-Volterra loss: ``gradients_torch.py odeint|odeint_adjoint``."""

import sys

import numpy as np
import torch
import torchdiffeq
from serve import serve

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Field(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.p = torch.nn.Parameter(torch.tensor([1.5, 1.0, 1.0, 3.0]))

    def forward(self, t, y):
        p = self.p
        return torch.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def main(entry):
    field, times = Field(), torch.linspace(0.0, 10.0, 101)
    start = torch.tensor([1.0, 1.0], requires_grad=True)

    def gradient():
        field.p.grad = start.grad = None
        ys = getattr(torchdiffeq, entry)(field, start, times, rtol=1e-6, atol=1e-6, method="dopri5")
        loss = torch.sum(ys**2)
        loss.backward()
        return loss

    def report():
        loss = gradient()
        return {"loss": float(loss), "gradient": np.concatenate([field.p.grad.numpy(), start.grad.numpy()]).tolist()}

    serve(gradient, report, warmup=1)


main(*sys.argv[1:])
