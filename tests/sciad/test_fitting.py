"""Fitting, with a hand-written gradient in place of the differentiator."""

import pickle

import numpy as np
import pytest

from sciad import optim
from sciad.errors import SciadError, SolveError
from sciad.fitting import FitError, fit

TARGET = np.array([1.0, -2.0, 3.0])


def bowl(p, *shift):
    return float(np.sum((p["x"] - TARGET - sum(shift)) ** 2))


def bowl_with_gradient(loss):
    return lambda p, *shift: (loss(p, *shift), {"x": 2 * (p["x"] - TARGET - sum(shift))})


def start():
    return {"x": np.zeros(3)}


def test_gradient_steps_reach_the_minimum():
    result = fit(bowl, start(), optim.adam(0.1), steps=500, progress=False, value_and_grad=bowl_with_gradient)
    np.testing.assert_allclose(result.params["x"], TARGET, atol=1e-3)
    assert len(result.history) == result.steps == 500
    assert result.loss == bowl(result.params)
    assert result.success
    assert result.seconds > 0
    assert "all steps done" in repr(result)


def test_default_optimizer_goes_down():
    result = fit(bowl, start(), steps=50, progress=False, value_and_grad=bowl_with_gradient)
    assert result.loss < result.history[0] == bowl(start())


def test_lbfgs_reaches_the_minimum_in_few_steps():
    result = fit(bowl, start(), "lbfgs", steps=50, progress=False, value_and_grad=bowl_with_gradient)
    np.testing.assert_allclose(result.params["x"], TARGET, atol=1e-8)
    assert result.loss == bowl(result.params)
    assert 0 < result.steps < 10


def test_start_is_not_changed():
    p0 = start()
    fit(bowl, p0, optim.sgd(0.1), steps=3, progress=False, value_and_grad=bowl_with_gradient)
    assert not p0["x"].any()


def test_a_list_of_batches_is_repeated():
    seen = []
    fit(bowl, start(), optim.sgd(0.1), 5, [(0.0,), (1.0,)], progress=False, value_and_grad=bowl_with_gradient,
        callback=lambda step, p, loss: seen.append(step))  # fmt: skip
    assert seen == [0, 1, 2, 3, 4]


def test_a_generator_that_ends_ends_the_fit():
    result = fit(bowl, start(), optim.sgd(0.1), 100, ((0.1,) for _ in range(7)), progress=False, value_and_grad=bowl_with_gradient)
    assert (result.steps, result.message) == (7, "batches exhausted")
    assert result.loss == bowl(result.params, 0.1)


def test_an_empty_list_of_batches_does_nothing():
    result = fit(bowl, start(), optim.sgd(0.1), 100, [], progress=False, value_and_grad=bowl_with_gradient)
    assert (result.steps, result.message) == (0, "batches exhausted")


def test_lbfgs_takes_one_batch_only():
    result = fit(bowl, start(), "lbfgs", 20, [(1.0,)], progress=False, value_and_grad=bowl_with_gradient)
    np.testing.assert_allclose(result.params["x"], TARGET + 1, atol=1e-8)
    with pytest.raises(SciadError, match="one fixed batch"):
        fit(bowl, start(), "lbfgs", 20, [(1.0,), (2.0,)], progress=False, value_and_grad=bowl_with_gradient)


@pytest.mark.parametrize("optimizer", [optim.sgd(0.1), "lbfgs"], ids=str)
def test_callback_stops(optimizer):
    result = fit(bowl, start(), optimizer, 100, progress=False, value_and_grad=bowl_with_gradient, callback=lambda step, p, loss: True)
    assert result.steps == 1
    assert bowl(result.params) < bowl(start())


@pytest.mark.parametrize("optimizer", [optim.adam(0.1), "lbfgs"], ids=str)
def test_interrupt_keeps_what_was_fitted(optimizer):
    calls = 0

    def interrupted(loss):
        def value_and_grad(p):
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
            return loss(p), {"x": 0.02 * (p["x"] - TARGET)}

        return value_and_grad

    result = fit(lambda p: 0.01 * bowl(p), start(), optimizer, 100, progress=False, value_and_grad=interrupted)
    assert result.message == "interrupted"
    assert 0 < result.steps <= 3
    assert bowl(result.params) < bowl(start())


@pytest.mark.parametrize(("value", "slope"), [(np.nan, 1.0), (np.inf, 1.0), (1.0, np.nan)])
@pytest.mark.parametrize("optimizer", [optim.sgd(0.1), "lbfgs"], ids=str)
def test_non_finite_numbers_stop_with_the_parameters_before(optimizer, value, slope):
    def breaks_below_two(loss):
        def value_and_grad(p):
            return (value, slope) if p < 1.95 else (float(p), 1.0)

        return value_and_grad

    with pytest.raises(FitError, match=r"fit stopped at step \d+: .*(the loss is|not finite)") as caught:
        fit(float, 2.0 + 0.12, optimizer, 100, progress=False, value_and_grad=breaks_below_two)
    error = caught.value
    assert isinstance(error, SolveError)
    assert error.params >= 1.95
    assert error.result.params == error.params
    assert not error.result.success
    assert pickle.loads(pickle.dumps(error)).step == error.step


def test_a_solve_that_fails_inside_the_loss_is_reported_with_its_step():
    def failing(loss):
        def value_and_grad(p):
            raise SolveError("step size below the spacing of floats")

        return value_and_grad

    with pytest.raises(FitError, match="step 0: a solve in the loss failed: step size"):
        fit(float, 1.0, optim.sgd(0.1), 10, progress=False, value_and_grad=failing)


def test_progress_bar_shows_loss_and_time(capsys):
    fit(bowl, start(), optim.sgd(0.1), 20, value_and_grad=bowl_with_gradient)
    shown = capsys.readouterr().err
    assert "loss" in shown
    assert "ms/step" in shown
    assert "20/20" in shown


def test_unknown_optimizer_is_named():
    with pytest.raises(SciadError, match="unknown optimizer 'adam'"):
        fit(bowl, start(), "adam", value_and_grad=bowl_with_gradient)
