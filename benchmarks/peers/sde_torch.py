"""torchsde's SDE work: ``sde_torch.py problem.npz gbm|network|stiff METHOD [adjoint]``."""

import sys
import warnings

import numpy as np
import torch
import torchsde
from serve import serve

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
warnings.simplefilter("ignore")


class Growth(torch.nn.Module):
    noise_type = "diagonal"

    def __init__(self, problem, sde_type):
        super().__init__()
        self.sde_type = sde_type
        self.mu, self.sigma = (torch.nn.Parameter(torch.tensor(problem[name])) for name in ("mu", "sigma"))

    def f(self, t, y):
        return self.mu * y

    def g(self, t, y):
        return self.sigma * y


class Network(torch.nn.Module):
    noise_type = "diagonal"

    def __init__(self, problem, sde_type):
        super().__init__()
        self.sde_type = sde_type
        for name in ("W1", "b1", "W2", "b2"):
            setattr(self, name, torch.nn.Parameter(torch.tensor(problem[name])))
        self.scale = torch.nn.Parameter(torch.tensor(problem["scale"]))

    def f(self, t, y):
        return torch.tanh(y @ self.W1 + self.b1) @ self.W2 + self.b2 - y

    def g(self, t, y):
        return self.scale.expand_as(y)


class Quadratic(torch.nn.Module):
    noise_type, sde_type = "diagonal", "ito"

    def __init__(self, problem, sde_type):
        super().__init__()
        self.a, self.b = float(problem["a"]), float(problem["b"])

    def f(self, t, y):
        return -(self.a + self.b**2 * y) * (1 - y * y)

    def g(self, t, y):
        return self.b * (1 - y * y)


def main(path, case, method, entry="direct"):
    problem = np.load(path)
    paths = int(problem["paths"])
    sde_type = "stratonovich" if method in ("reversible_heun", "heun", "midpoint") else "ito"
    sde = {"gbm": Growth, "network": Network, "stiff": Quadratic}[case](problem, sde_type)
    if case == "stiff":
        return serve(*stiff(sde, method, paths, float(problem["tol"]), torch.tensor(problem["times"])), warmup=1)
    start = torch.tensor(problem["y0" if case == "gbm" else "z0"]).requires_grad_()
    ts = torch.tensor([0.0, 1.0] if case == "gbm" else [0.0, 0.5, 1.0])
    levy = "space-time" if method == "srk" else "none"
    solve = torchsde.sdeint if entry == "direct" else torchsde.sdeint_adjoint
    options = {} if entry == "direct" else {"adjoint_method": "adjoint_reversible_heun"}

    def gradient():
        sde.zero_grad()
        size = (paths, len(start))
        motion = torchsde.BrownianInterval(0.0, 1.0, size=size, levy_area_approximation=levy, entropy=1)
        ys = solve(sde, start.expand(size), ts, bm=motion, dt=1 / int(problem["steps"]), method=method, **options)
        loss = (ys[1:] ** 2).mean()
        loss.backward()
        return loss, ys, motion

    def report():
        loss, ys, motion = gradient()
        error = None
        if case == "gbm":
            drift = sde.mu - (0.5 * sde.sigma**2 if sde_type == "ito" else 0.0)
            exact = start * torch.exp(drift + sde.sigma * motion(0.0, 1.0))
            error = (ys[-1] - exact).abs().mean().item()
            bars = torch.cat([sde.mu.grad, sde.sigma.grad])
        else:
            bars = torch.cat([x.grad.reshape(-1) for x in (sde.W1, sde.b1, sde.W2, sde.b2)])
        return {"loss": loss.item(), "gradient": bars.tolist(), "error": error}

    return serve(gradient, report, warmup=2)


def stiff(sde, method, paths, tol, times):
    """Adaptive, forward only; torchsde interpolates linearly between its steps."""
    def solve():
        motion = torchsde.BrownianInterval(0.0, 3.0, size=(paths, 1), levy_area_approximation="space-time", entropy=1)
        with torch.no_grad():
            control = {"adaptive": True, "rtol": tol, "atol": tol, "dt_min": 1e-5}
            ts = torch.cat([torch.zeros(1), times])
            ys = torchsde.sdeint(sde, torch.full((paths, 1), 0.5), ts, bm=motion, dt=1e-2, method=method, **control)
        return ys, motion

    def report():
        ys, motion = solve()
        w = torch.stack([motion(0.0, t) for t in times])
        grown = 1.5 * torch.exp(-2 * sde.a * times[:, None, None] + 2 * sde.b * w)
        exact = (grown - 0.5) / (grown + 0.5)
        return {"loss": ys[-1].mean().item(), "gradient": [0.0], "error": (ys[1:] - exact).abs().mean().item()}

    return solve, report


main(*sys.argv[1:])
