"""Names of the slots in the two arrays that a running integration shares with its compiled kernels.

``slots`` (int64) holds addresses, sizes and counters; ``reals`` (float64) holds times, options and, from ``HEAD`` on, the
vectors.  A step kernel is a C function ``int64 step(double t, double h, intp slots)``, whatever the method, so that one
compiled loop runs them all.  Kernels receive both arrays as addresses and read them with `memory.get_int` and `memory.get`.
"""

from __future__ import annotations

(
    # what a step kernel reads
    F,  # address of the right-hand side, or of its tape-writing twin when TAPE is not 0
    P,  # address of the parameters
    N,  # number of states
    Y,  # address of the state at the beginning of the step
    Y_NEW,  # address for the state at its end
    K,  # address of the stage derivatives, a row of N for each stage; the first row is filled before the step
    STAGE,  # address for the stage values from stage 2 on, STAGE_STRIDE bytes apart (0: all in one place)
    STAGE_STRIDE,
    TAPE,  # address for the tapes of the right-hand side from stage 1 on, TAPE_STRIDE bytes apart; 0: no tapes
    TAPE_STRIDE,
    TOLERANCE,  # address of atol (N), then rtol (N); 0: no error estimate wanted
    ERROR,  # address for the mean square of the scaled error estimate, followed by 1 / number of components that count in it
    PART,  # 0: take the step; 1: evaluate the extra stages of dense output; 2: the step was accepted (only if AFTER is set)
    # what only the loop reads
    STEP,  # address of the step kernel
    EXTRA_STEP,  # address of the one that evaluates the extra stages
    N_STAGES,
    N_EXTRA,
    FSAL,
    TAPE_SIZE,
    STORE,  # NOTHING, STATES, STAGES or TAPES
    EVERY,  # a state is recorded after every so many steps
    DENSE,  # 1: evaluate the extra stages in every step
    MAX_STEPS,
    MAX_STEPS_ASKED,  # the same, before what other methods took of it
    N_RESET,  # leading components that a jump replaces instead of adding to
    # arrays, bound at each entry: addresses and sizes
    TABLE,  # nested coefficients of dense output, N_STAGES + N_EXTRA rows of TERMS
    TERMS,
    START,  # initial state
    WANTED,  # times to save at, and the states there
    N_WANTED,
    SAVED,
    TIMES,  # record of times and step sizes, pairs
    N_TIMES,
    ORDERS,  # record of the orders of steps, or 0
    ROWS,  # record of states, N_ROWS of WIDTH entries
    N_ROWS,
    WIDTH,
    STOPS,  # times to stop at; JUMPS rows of N, or 0
    N_STOPS,
    JUMPS,
    # its state
    PHASE,  # FRESH or STARTED
    BUDGET,  # steps to try before returning
    NOT_FINITE,  # 1: the last of them because something was not finite
    SINCE,  # steps since T_BASE, in fixed-step mode
    N_SAVED,  # entries of t_eval done
    N_STOPPED,  # entries of stops done
    # its state, zero where a method takes over
    HAVE_K1,  # 1: the first stage derivative is valid
    REJECTED,  # rejections since the last accepted step
    STIFF_COUNT,  # steps that spoke for the other method
    J_STEP,  # N_ACCEPT + 1 where the Jacobian was evaluated
    N_F,
    N_ACCEPT,
    N_REJECT,
    N_JAC,
    N_LU,
    # implicit methods
    F_CALLS,  # evaluations of the right-hand side that the loop counts for a trial step
    JAC,  # address of the Jacobian, 0: forward differences
    JVP,  # address of the product with it, 0: forward differences
    TIME_DEPENDENT,  # 0: f_t is zero
    FACTOR,  # addresses of the functions of the linear solver
    SOLVE,
    SOLVE_T,
    GETRF,
    GETRS,
    FACTOR_Z,  # the same for the complex systems of Radau methods
    SOLVE_Z,
    SOLVE_Z_T,
    GETRF_Z,
    GETRS_Z,
    LUZ_AT,
    PIVOTSZ_AT,
    MASS,  # address of the mass matrix, row-major; 0: the identity
    MASS_INVERSE,  # address of its pseudo-inverse
    ALGEBRAIC,  # 1: it is singular
    SLOPE,  # address of the function that finds y' with it
    EVALUATE,  # address of the function that writes a structured Jacobian to J_AT; 0: a dense one
    COLOURS_AT,
    PATTERN_AT,
    SEED,
    LBAND,
    UBAND,
    WIDTH_OF_BAND,
    KRYLOV,  # dimension of the basis
    LETTER,  # arguments of LAPACK's functions, which take addresses
    ONE,
    INFO,
    J_AT,  # memory: Jacobian, factors, pivots, f_t, zeros, two spare vectors, and what the method itself asks for
    LU_AT,
    PIVOTS_AT,
    DFDT,
    ZEROS,
    SPARE,
    BASE,
    OWN,
    FAILED,  # why the last trial step has no result
    RESTART,  # 1: nothing is known from earlier steps
    AFTER,  # 1: call the step kernel with PART = 2 after an accepted step; 2: DETECT is set; 3: both
    # switching
    DETECT,  # 0: no; 1: look for stiffness; 2: look for its end
    POWER_AT,  # two vectors of the power iteration
    MULTIPLY,  # address of the product with the Jacobian
    CONSTANT_JAC,  # 1: the Jacobian is constant, and evaluated once
    PRECONDITION,  # address of GMRES's preconditioner, 0: none
    PRECONDITION_P,  # address of its parameters behind y, c and h
    N_PRECONDITION_P,  # and their number
    N_SLOTS,
) = range(105)

(
    T,
    T_END,
    RTOL,  # scalar tolerances; negative: the vectors are in place already
    ATOL,
    DIRECTION,
    H,  # size of the next step to try, positive
    FIRST_STEP,  # 0: select automatically
    FIXED_STEP,  # 0: adaptive
    MAX_STEP,
    MIN_STEP,
    SAFETY,
    SHRINK,  # smallest factor from one step size to the next
    GROW,  # largest
    BETA_1,  # exponents of the last three error norms
    BETA_2,
    BETA_3,
    ALPHA,  # exponent of the error norm after a rejection
    LOG_1,  # log2 of the error norms of the last accepted step and of the one before
    LOG_2,
    T_BASE,
    NORM,  # what the step kernel reports: mean square of the scaled error
    ONE_PER_COUNT,  # 1 / number of components that count in it (0 if none does)
    STABILITY,  # boundary of the explicit method's stability interval
    HEAD,  # then: atol, rtol, two states, a stage value, the stage derivatives (N each)
) = range(24)

NOTHING, STATES, STAGES, TAPES = range(4)
FRESH, STARTED, RESUMED = range(3)
SINGULAR, NOT_A_NUMBER, NO_CONVERGENCE = range(1, 4)  # FAILED

# what the loop returns
(DONE, NEED_ROOM, RUNNING, SWITCH, STOPPED) = range(5)  # STOPPED: by whoever watches the steps
(TOO_MANY_STEPS, STEP_TOO_SMALL, BAD_START, BAD_STATE, ABORTED, INTERRUPTED, BAD_Y0, UNSORTED, OUTSIDE, INCONSISTENT) = range(-1, -11, -1)
