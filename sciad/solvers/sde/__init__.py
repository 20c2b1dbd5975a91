"""Stochastic differential equations: Brownian paths, methods, batches of paths."""
