"""Names of the slots that a nonlinear solve shares with its compiled kernels, and the codes that these return.

As in `sciad.solvers.layout`: `slots` (int64) holds addresses, sizes and counters, `reals` (float64) options and results.  A kernel takes
the address of `slots` and returns a code.
"""

from __future__ import annotations

(
    KERNEL,  # address of the method's iteration, a C function that takes the address of the slots and returns a code
    # the system, by addresses of C functions (see `sciad.solvers.rhs.Rhs`); its time is always 0
    F,
    AUG,
    JAC,
    JVP,
    REV,
    STATE_AUG,  # as AUG and REV, without parameters; 0 where there are none
    STATE_REV,
    STATE_TAPE,
    P,  # address of the parameters
    P_DOT,  # of a tangent of the parameters
    P_BAR,  # of a cotangent of the parameters, which `REV` adds to
    TAPE,  # of what `AUG` writes and `REV` reads
    POINT,  # where products with the Jacobian are taken
    N,  # number of unknowns
    ROWS,  # parts of x that are mixed on their own by Anderson's method, and whose convergence is judged on its own
    FIXED,  # 0: solve f(x) = 0; 1: solve f(x) - x = 0
    TRANSPOSED,  # 1: products are with the transposed Jacobian
    # vectors of N
    X,
    FX,  # residual at X
    STEP,
    TRIAL,
    F_TRIAL,
    AFFINE,  # the constant part of a linear fixed point, 0 where f is evaluated
    # matrices of N x N, where the method has any
    JACOBIAN,
    FACTORS,
    PIVOTS,
    WORK,  # further memory of the method
    REALS,
    # LAPACK's dgetrf and dgetrs, and six int32 for their arguments; 0 for small systems
    GETRF,
    GETRS,
    INTS,
    # options
    MAX_ITERATIONS,
    MEMORY,  # of Anderson's method; dimension of Krylov spaces
    # counters
    N_F,
    N_J,
    N_ITERATIONS,
    N_SLOTS,
) = range(38)

(
    XTOL,  # relative size of the last step
    FTOL,  # residual that is small enough by itself
    DAMPING,
    NORM,  # norm of the residual
    LARGEST,  # largest norm of x so far
    CONDITION,  # estimated condition of the Jacobian with rows and columns scaled to one size
    CURVATURE,  # relative change of the Jacobian over the uncertainty of x
    LOWER,
    UPPER,
    HEAD,
) = range(10)

(CONVERGED, RUNNING) = range(2)
(TOO_MANY, SINGULAR, STALLED, BAD_START, DIVERGED, ABORTED, NO_BRACKET) = range(-1, -8, -1)
MANY = -100  # converged, with counters that are to be read from the slots
