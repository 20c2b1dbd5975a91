"""Schedules of binomial checkpointing: every step reversed once, in order, within the places given."""

from math import comb

import pytest

from sciad.adjoints.checkpoint import schedule, split


@pytest.mark.parametrize("free", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 57, 200])
def test_every_step_is_reversed_once_and_places_suffice(n_steps, free):
    """Carry out a schedule on paper: which states are stored, which steps are reversed, and that no step starts from nowhere."""
    stored, expected = {0}, n_steps
    for action, a, b in schedule(0, n_steps, free):
        if action == "drop":
            stored.remove(a)
            continue
        assert a in stored
        if action == "store":
            stored.add(b)
            assert len(stored) <= 1 + free
        elif action == "single":
            assert b == expected - 1
            expected = b
        else:
            assert b == expected
            assert b - a - 1 + len(stored) <= 1 + free
            expected = a
    assert expected == 0
    assert stored == {0}


@pytest.mark.parametrize(("n_steps", "free"), [(10, 3), (20, 3), (35, 4), (100, 5)])
def test_split_leaves_what_fits(n_steps, free):
    """The later part has at most C(s - 1 + r, r) steps, where r passes suffice for all (Griewank & Walther 2000)."""
    passes = next(r for r in range(1, 100) if comb(free + r, r) >= n_steps)
    assert 1 <= split(n_steps, free) < n_steps
    assert n_steps - split(n_steps, free) <= comb(free - 1 + passes, passes)
