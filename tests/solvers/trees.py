"""Rooted trees and the order conditions of Runge-Kutta methods (Hairer, Norsett, Wanner I, II.2)."""

from decimal import Decimal, localcontext
from functools import cache
from itertools import combinations_with_replacement

import numpy as np

Tree = tuple  # the sorted tuple of its children; () is the single node


@cache
def trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees with `order` nodes: 1, 1, 2, 4, 9, 20, 48, 115, 286, ..."""
    return tuple(tuple(forest) for forest in _forests(order - 1, order - 1))


def _forests(nodes: int, largest: int):
    """Multisets of trees with `nodes` nodes together and at most `largest` nodes each."""
    if nodes == 0:
        yield ()
        return
    for size in range(min(nodes, largest), 0, -1):
        for count in range(1, nodes // size + 1):
            for group in combinations_with_replacement(trees(size), count):
                for rest in _forests(nodes - size * count, size - 1):
                    yield (*group, *rest)


@cache
def size(tree: Tree) -> int:
    return 1 + sum(size(child) for child in tree)


@cache
def density(tree: Tree) -> int:
    """gamma(t): the condition reads sum_i b_i Phi_i(t) = 1 / gamma(t)."""
    product = size(tree)
    for child in tree:
        product *= density(child)
    return product


class Conditions:
    """Elementary weights of one matrix a, in 50-digit arithmetic."""

    def __init__(self, rows):
        n = len(rows)
        self.a = np.array([[_decimal(rows[i][j]) if j < len(rows[i]) else Decimal(0) for j in range(n)] for i in range(n)])
        self.known = {}

    def weights(self, tree: Tree):
        """Phi_i(t) for all stages i."""
        if tree not in self.known:
            value = np.array([Decimal(1)] * len(self.a))
            for child in tree:
                value = value * (self.a @ self.weights(child))
            self.known[tree] = value
        return self.known[tree]

    def defect(self, b, order: int, theta=1) -> float:
        """Largest |sum b_i Phi_i(t) - theta^r / gamma(t)| over the trees of r = `order` nodes."""
        with localcontext() as context:
            context.prec = 50
            b = np.array([_decimal(x) for x in b] + [Decimal(0)] * (len(self.a) - len(b)))
            target = _decimal(theta) ** order
            return max(float(abs(b @ self.weights(tree) - target / density(tree))) for tree in trees(order))


def _decimal(x) -> Decimal:
    with localcontext() as context:
        context.prec = 50
        return Decimal(x.numerator) / Decimal(x.denominator)


class RosenbrockConditions(Conditions):
    """The same for Rosenbrock methods: where a node has one child, beta = alpha + gamma takes the place of alpha."""

    def __init__(self, alpha, gamma):
        super().__init__(alpha)
        self.beta = self.a + Conditions(gamma).a

    def weights(self, tree: Tree):
        """Phi_i(t) for all stages i."""
        if len(tree) != 1:
            return super().weights(tree)
        if tree not in self.known:
            self.known[tree] = self.beta @ self.weights(tree[0])
        return self.known[tree]
