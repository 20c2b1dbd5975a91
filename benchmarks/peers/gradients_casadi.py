"""CasADi's gradient of a loss on a solve by CVODES: ``gradients_casadi.py lotka_volterra|rober``."""

import sys

import casadi as ca
import numpy as np
from serve import serve


def main(problem):
    p = ca.SX.sym("p", 4 if problem == "lotka_volterra" else 3)
    if problem == "lotka_volterra":
        y = ca.SX.sym("y", 2)
        dy = ca.vertcat(p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1])
        times, rtol, atol = np.linspace(0.0, 10.0, 101), 1e-6, 1e-6
        y0, p0, multistep = [1.0, 1.0], [1.5, 1.0, 1.0, 3.0], "adams"
    else:
        y = ca.SX.sym("y", 3)
        slow, fast, back = p[0] * y[0], p[1] * y[1] ** 2, p[2] * y[1] * y[2]
        dy = ca.vertcat(back - slow, slow - back - fast, fast)
        times, rtol, atol = np.concatenate([[0.0], np.geomspace(1e-4, 1e5, 50)]), 1e-6, 1e-8
        y0, p0, multistep = [1.0, 0.0, 0.0], [0.04, 3e7, 1e4], "bdf"
    options = {"reltol": rtol, "abstol": atol, "linear_multistep_method": multistep, "max_num_steps": 100000}
    solver = ca.integrator("solver", "cvodes", {"x": y, "p": p, "ode": dy}, 0.0, times, options)
    start, parameters = ca.MX.sym("x", len(y0)), ca.MX.sym("p", len(p0))
    ys = solver(x0=start, p=parameters)["xf"]
    loss = ca.sumsqr(ys) if problem == "lotka_volterra" else ca.sum2(ca.DM([[1.0, 1e4, 1.0]]) @ ys)
    function = ca.Function("g", [parameters, start], [loss, ca.gradient(loss, parameters), ca.gradient(loss, start)])

    def report():
        value, by_p, by_start = function(p0, y0)
        return {"loss": float(value), "gradient": np.concatenate([np.ravel(by_p), np.ravel(by_start)]).tolist()}

    serve(lambda: function(p0, y0), report, warmup=2)


main(*sys.argv[1:])
