"""Slots of the way back over implicit steps, beyond those of `layout`."""

from __future__ import annotations

from sciad.adjoints.layout import ALL_SLOTS

(
    AUG,  # address of the tape-writing twin of the right-hand side
    JVP_REV,  # address of the reverse of its directional derivative; 0 where the method does not need it
    ONE_TAPE,  # memory: one tape, and vectors
    ONE_DY,
    BAR_1,
    BAR_2,
    BAR_3,
    NOTHING_BAR,  # zeros
    N_PARAMETERS,
    P_SPARE,  # a parameter cotangent that nobody reads
) = range(ALL_SLOTS, ALL_SLOTS + 10)

STIFF_SLOTS = ALL_SLOTS + 10
