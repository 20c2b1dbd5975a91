"""What Python and the compiled kernels of SDE solves share: the meaning of the slots of two arrays.

``slots`` (int64) holds addresses, sizes and counters, ``reals`` (float64) times and options.  A step kernel is a C function
``int64 step(double t, double h, intp slots)``, whatever the method, so that one compiled loop runs them all.
"""

from __future__ import annotations

(
    # the problem
    F,  # address of the drift f(t, y, p, dy)
    G,  # address of the diffusion g(t, y, q, dg)
    P,  # address of the parameters of the drift
    Q,  # address of the parameters of the diffusion
    N,  # number of states
    M,  # number of Brownian motions
    COUNT,  # paths that a step kernel takes at once: their states, noises and cotangents lie one behind the other
    # what a step reads and writes
    STEP,  # address of the step kernel
    Y,  # address of the state at the beginning of the step
    Y_NEW,  # address for the state at its end
    DW,  # address of the M increments of the step
    AREA,  # address of its M space-time Levy areas H = (mean of W over the step) - W(start) - dW / 2, distributed N(0, h / 12)
    LEVY,  # address of its M x M Levy areas; 0: none
    WORK,  # address of scratch memory of the step
    ERROR,  # address of the mean square of the scaled error, and of 1 / N; 0: no estimate wanted
    ATOL,  # addresses of the N absolute and relative tolerances
    RTOL,
    JAC,  # address of the Jacobian of the drift (t, y, p, J); implicit methods
    # what a reversed or tangent step reads and writes besides
    STEP_BAR,
    F_AUG,  # drift that writes its tape
    G_AUG,
    F_REV,
    G_REV,
    F_TAPE,  # entries of the tapes
    G_TAPE,
    Y_BAR,  # on entry the cotangent of the end of the step, on return that of its beginning
    P_BAR,
    Q_BAR,
    T_BAR,  # a cell for what nobody asks for
    F_JVP,
    G_JVP,
    Y_DOT,
    Y_NEW_DOT,
    P_DOT,
    Q_DOT,
    # all paths, and the walk over a block of them
    TOTAL,  # number of paths
    FIRST_PATH,  # number of the first one: Brownian motions belong to numbers
    BLOCK,  # paths in a full block
    TOGETHER,  # paths of a block that the step kernels take at once
    Y0,  # address of the initial states, a row of N for each path Y0_STRIDE bytes apart
    Y0_STRIDE,
    ALL_SAVED,  # addresses of what SAVED, RECORD, FAILED, SAVED_BAR, P_BAR and Q_BAR are parts of
    ALL_RECORD,
    ALL_FAILED,
    ALL_SAVED_BAR,
    ALL_P_BAR,  # a row for each block
    ALL_Q_BAR,
    ALL_Y_BAR,  # a row for each path
    SHAPE,  # how increments act in kernels for all shapes: DIAGONAL, SCALAR or MATRIX
    ALL_END,  # address of the states of all paths at the end, which a running way back starts from
    ALL_DEVIATION,  # address of a number for each path: how far the running state was from the saved ones; 0: not compared
    ITO,  # 1: the equation is Ito's, and the way back Stratonovich's
    G_JVP_REV,
    ALL_NOISE,  # address of the noise of all steps, block after block; 0: it is made segment by segment
    N_P,
    N_Q,
    PATHS,  # paths in this block
    N_STEPS,
    GRID,  # address of N_STEPS + 1 times
    WANTED,  # address of N_WANTED positions in the grid (int64)
    N_WANTED,
    STATE,  # address of two sets of running states, BLOCK rows of N each
    SAVED,  # address of the saved states, PATHS x N_WANTED x N
    RECORD,  # address of the recorded states, N_ROWS x BLOCK x N; 0: none
    N_ROWS,
    EVERY,  # a state is recorded before every so many steps
    SEGMENT,  # steps whose increments are made at a time
    NOISE,  # address of a row for each step: B_COLUMNS increments, as many space-time areas, BLOCK x M x M Levy areas where wanted
    AREAS,  # 1: rows have space-time areas
    N_LEVY,  # pieces that a step is cut into for its Levy areas; 0: no areas
    FAILED,  # address of PATHS codes (int64): 0, or 1 + the step that failed
    SAVED_BAR,
    STATES,  # address of SEGMENT + 1 states of every path of a block, SEGMENT + 1 x BLOCK x N
    # adaptive steps
    ALL_TIMES,  # address of a row of N_TIMES times for each path; 0: not wanted
    N_TIMES,
    ALL_POSITIONS,  # address of a row of N_WANTED positions in it for each path
    ALL_COUNTS,  # address of a row of accepted steps, rejected steps and code for each path
    MAX_STEPS,
    STOPS,  # address of N_STOPS times that steps must end on: the wanted ones, then the end
    N_STOPS,
    SNAP,  # address of N_SNAP lengths, falling: steps end on multiples of one
    N_SNAP,
    # Brownian motion
    B_TABLE,  # address of the rows (left child, right child, leaves on the left) of the kinds of nodes
    B_COEFFICIENTS,  # address of the rows of their coefficients, see `brownian.table`
    B_LEVELS,  # address of the rows (first leaf, kind, split done) of the node at every level
    B_STACK,  # address of their 6 vectors
    B_DEPTH,  # deepest level in use
    B_COLUMNS,  # number of columns: PATHS x M and padding
    B_COMPONENT,  # address of their components, and paths
    B_PATH,
    B_KEY_0,
    B_KEY_1,
    B_AT,  # address of 16 vectors: W and its integral at the beginning of a step, at its end, its increments and areas, and scratch
    B_LEAVES,  # leaves of the whole tree
    N_SLOTS,
) = range(95)

(
    B_START,  # time where the tree begins
    B_SCALE,  # leaves per unit of time
    B_LEAF,  # length of a leaf
    T_0,
    T_1,
    NORM,  # ERROR points here: mean square of the scaled error, 1 / N
    ONE_PER_N,
    MIN_STEP,
    MAX_STEP,
    SAFETY,
    SHRINK,
    GROW,
    POWER,  # the error grows with the step to this power
    FIRST_STEP,  # 0: found
    N_REALS,
) = range(15)

DONE, NEED_ROOM, TOO_MANY_STEPS, STEP_TOO_SMALL, NOT_FINITE, ABORTED = range(6)
DIAGONAL, SCALAR, MATRIX = range(3)
