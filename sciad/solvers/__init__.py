"""Solvers of differential and nonlinear equations."""
