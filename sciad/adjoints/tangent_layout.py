"""Slots of the context of a solve with tangents, which its compiled right-hand side receives in place of parameters."""

from __future__ import annotations

(
    S_JVP,  # address of the derivative of the right-hand side
    S_P,
    S_N,
    S_NP,
    S_K,  # number of tangents
    S_P_DOT,  # address of the directions d_j, S_K rows of S_NP
    S_JAC,  # for implicit methods: address of the Jacobian of the right-hand side, memory for two of them, a state, parameters
    S_J,
    S_Y,
    S_MOVED,
    S_JVP_DOT,  # address of the tangent of the tangents' equations; 0: the right-hand side does not offer it
    S_ZEROS,  # zeros, as many as there are states or parameters
    S_T_J,  # where the Jacobian at hand was evaluated: time, and address of state and tangents
    S_Z_J,
    S_H,  # step size that the factors at hand belong to
    S_FACTOR,  # addresses of the linear algebra of one block
    S_SOLVE,
    S_MULTIPLY,
    S_EVALUATE,
    S_FACTOR_Z,
    S_SOLVE_Z,
    S_X,  # address of two vectors of a block, and two more
    S_SIZE,
) = range(23)

#: The same as source: kernels are cached by their text, which changes with these numbers.
NAMES = "".join(f"{name} = {value}\n" for name, value in list(globals().items()) if name.startswith("S_")) + "\n\n"
