"""diffrax, jitted: ``work_precision_diffrax.py problem solver tolerances``."""

import sys

import diffrax
import jax
import jax.numpy as jnp
from curves import serve_curve
from workers.ode_problems import PROBLEMS

jax.config.update("jax_enable_x64", True)

STEPS = 200_000  # Kvaerno5 takes ever smaller ones on van der Pol's problem and does not end


def main(name, solver, tolerances):
    problem = PROBLEMS[name]
    n, y0 = len(problem.y0), jnp.array(problem.y0)

    def right_side(t, y, _):
        dy = [0.0] * n
        problem.fun(dy, t, [y[i] for i in range(n)], problem.p)
        return jnp.stack(dy)

    term, method = diffrax.ODETerm(right_side), getattr(diffrax, solver)()

    @jax.jit
    def run(tol):
        return diffrax.diffeqsolve(
            term, method, 0.0, problem.t_end, None, y0, max_steps=STEPS,
            stepsize_controller=diffrax.PIDController(rtol=tol, atol=tol * problem.floor),
        ).ys[-1]  # fmt: skip

    serve_curve(lambda tol: run(tol).block_until_ready(), tolerances)


main(*sys.argv[1:])
