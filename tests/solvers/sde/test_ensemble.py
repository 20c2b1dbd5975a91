"""`ensemble_sde`: every system as if alone, on threads, processes and a cluster; failures marked; gradients."""

import concurrent.futures
import multiprocessing
import warnings

import numpy as np
import pytest
from ensemble_system import mean_reversion, state_noise

import sciad

K, PATHS = 5, 3
RNG = np.random.default_rng(0)
Y0S, THETAS = RNG.normal(size=(K, 2)), 1.0 + RNG.random(K)
TIMES = np.array([0.5, 1.0])
STEPS = {"fixed": {"method": "SRIW1", "dt": 0.05}, "adaptive": {"method": "SRIW1", "rtol": 1e-2, "atol": 1e-2}}


def together(y0s=Y0S, thetas=THETAS, mu=0.5, steps="fixed", **options):
    options = {"paths": PATHS, "seed": 3, **options}
    return sciad.ensemble_sde(
        mean_reversion, state_noise, (0.0, 1.0), y0s, (thetas,), args=(mu,), t_eval=TIMES, **STEPS[steps], **options
    )


def alone(y0, theta, mu, paths, steps):
    return sciad.solve_sde(mean_reversion, state_noise, (0.0, 1.0), y0, t_eval=TIMES, args=(theta, mu), paths=paths, seed=3, **STEPS[steps])


@pytest.mark.parametrize("steps", STEPS)
def test_each_system_as_if_alone(steps):
    """System i has the Brownian motions i * paths and on of the seed, or with `common` the first ones, bit for bit."""
    found, common = together(steps=steps), together(steps=steps, common=True)
    assert found.success.all()
    assert found.ys.shape == (K, PATHS, 2, 2)
    for i in range(K):
        own = alone(Y0S[i], THETAS[i], 0.5, K * PATHS, steps).ys[i * PATHS : (i + 1) * PATHS]
        np.testing.assert_array_equal(found.ys[i], own)
        np.testing.assert_array_equal(common.ys[i], alone(Y0S[i], THETAS[i], 0.5, PATHS, steps).ys)
    assert "5 systems" in repr(found)
    assert together(paths=None).ys.shape == (K, 2, 2)


def gradient(steps="fixed", **options):
    def loss(y0s, thetas, mu):
        return np.sum(together(y0s, thetas, mu, steps, **options).ys ** 2)

    return sciad.grad(loss, argnums=(0, 1, 2))(Y0S, THETAS, 0.5)


@pytest.mark.parametrize("steps", STEPS)
def test_gradients_are_those_of_single_solves(steps):
    def single(y0s, thetas, mu):
        return sum(np.sum(alone(y0s[i], thetas[i], mu, PATHS, steps).ys ** 2) for i in range(K))

    expected = sciad.grad(single, argnums=(0, 1, 2))(Y0S, THETAS, 0.5)
    for a, b in zip(gradient(steps, common=True), expected):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_gradients_do_not_depend_on_workers():
    for a, b in zip(gradient(workers=1), gradient(workers=3)):
        np.testing.assert_array_equal(a, b)


def test_processes_give_the_same_bits():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        np.testing.assert_array_equal(together(executor=pool).ys, together().ys)
        elsewhere = gradient(executor=pool)
    for a, b in zip(elsewhere, gradient()):
        np.testing.assert_array_equal(a, b)


def test_dask_gives_the_same_bits():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from distributed import Client, LocalCluster

        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            np.testing.assert_array_equal(together(executor=client.get_executor()).ys, together().ys)


def test_failures_are_marked_and_not_differentiated():
    thetas = THETAS.copy()
    thetas[2] = -1e6  # explodes
    found = together(thetas=thetas, mu=0.0)
    np.testing.assert_array_equal(found.success, [True, True, False, True, True])
    assert "infinite or NaN" in found.messages[2]
    with pytest.raises(sciad.SolveError, match="failed"):
        sciad.grad(lambda theta: np.sum(together(thetas=theta, mu=0.0).ys))(thetas)


def test_lengths_must_agree():
    with pytest.raises(sciad.ShapeError, match="first axis must have length 5"):
        together(thetas=THETAS[:3])
    with pytest.raises(ValueError, match="one node of the tape"):
        gradient(adjoint="direct")
