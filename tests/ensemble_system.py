"""A system that workers in other processes can import."""

import numpy as np


def lorenz(t, y, rho, sigma, beta):
    return np.array([sigma * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - beta * y[2]])


def mean_reversion(t, y, theta, mu):
    return theta * (mu - y)


def state_noise(t, y, theta, mu):
    return 0.3 * np.sqrt(1.0 + y * y)
