"""Slots of the reverse and tangent sweeps, behind those of a forward solve (`sciad.solvers.layout`)."""

from __future__ import annotations

from sciad.solvers.layout import N_SLOTS

(
    REV,  # address of the reverse of the right-hand side
    STEP_BAR,  # address of the transposed step
    F_PLAIN,  # address of the right-hand side itself
    P_BAR,
    T_BAR,  # cotangent of the times of stages (unused: steps are frozen), followed by that of t0
    Y_BAR,  # state: on entry of a reversed step that of its end, then that of its beginning
    END_BAR,  # a copy of Y_BAR as it was on entry
    K_BAR,  # stage derivatives, rows of N
    U,  # stage values: row i holds J_i^T k_bar_i
    ONE_K_BAR,  # the complete cotangent of the stage derivative at hand
    AT_T,  # what saved values inside the step ask of the state at its beginning
    LIVE_LAST,  # 1: the last stage of a first-same-as-last method has a cotangent
    LIVE_EXTRA,  # 1: the extra stages of dense output have one
    SCRATCH_K,  # stage derivatives, stage values, tapes and end of a step that is taken again
    SCRATCH_STAGE,
    SCRATCH_TAPE,
    SCRATCH_Y,
    SAVED_BAR,  # cotangents of the saved states, N_WANTED rows of N
    WANTED_BAR,  # of the times they are saved at; 0: not wanted
    ROW,  # step that row 0 of the record of states belongs to
    CARRY,  # 1: the next step's first stage, shared with the last one of the step at hand, has left its cotangent
) = range(N_SLOTS, N_SLOTS + 21)

ALL_SLOTS = N_SLOTS + 21
