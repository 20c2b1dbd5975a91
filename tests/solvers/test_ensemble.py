"""`ensemble`: every system as if alone, on threads, processes and a cluster; failures marked; gradients."""

import concurrent.futures
import multiprocessing
import warnings

import numpy as np
import pytest
from ensemble_system import lorenz

import sciad

K = 9
RNG = np.random.default_rng(0)
Y0S, RHOS = RNG.normal(size=(K, 3)), 28 + RNG.normal(size=K)
TIMES = np.array([0.5, 1.0])
OPTIONS = {"method": "Tsit5", "rtol": 1e-8, "atol": 1e-8}


def together(**options):
    return sciad.ensemble(lorenz, (0.0, 1.0), Y0S, (RHOS,), args=(10.0, 8 / 3), t_eval=TIMES, **OPTIONS, **options)


def alone(i, rho, sigma):
    return sciad.solve_ivp(lorenz, (0.0, 1.0), Y0S[i], t_eval=TIMES, args=(rho, sigma, 8 / 3), **OPTIONS).ys


def test_each_system_as_if_alone():
    found = together()
    assert found.success.all()
    assert found.ys.shape == (K, 2, 3)
    assert found.y.shape == (K, 3, 2)
    np.testing.assert_array_equal(found.ys, [alone(i, RHOS[i], 10.0) for i in range(K)])
    assert "9 systems" in repr(found)


def test_processes_give_the_same_bits():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        np.testing.assert_array_equal(together(executor=pool).ys, together().ys)


def test_dask_gives_the_same_bits_and_gradients():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from distributed import Client, LocalCluster

        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            pool = client.get_executor()
            np.testing.assert_array_equal(together(executor=pool).ys, together().ys)
            elsewhere = gradient(executor=pool)
    for a, b in zip(elsewhere, gradient()):
        np.testing.assert_array_equal(a, b)


def gradient(**options):
    def loss(y0s, rhos, sigma):
        found = sciad.ensemble(lorenz, (0.0, 1.0), y0s, (rhos,), args=(sigma, 8 / 3), t_eval=TIMES, **OPTIONS, **options)
        return np.sum(found.ys**2)

    return sciad.grad(loss, (0, 1, 2))(Y0S, RHOS, 10.0)


def test_gradient_is_that_of_each_and_the_sum_of_what_is_shared():
    y_bars, rho_bars, sigma_bar = gradient()
    parts = [sciad.grad(lambda y, r, s: np.sum(single(y, r, s) ** 2), (0, 1, 2))(Y0S[i], RHOS[i], 10.0) for i in range(K)]
    np.testing.assert_allclose(y_bars, [part[0] for part in parts], rtol=1e-12)
    np.testing.assert_allclose(rho_bars, [part[1] for part in parts], rtol=1e-12)
    assert sigma_bar == pytest.approx(sum(part[2] for part in parts), rel=1e-12)
    h = 1e-5
    ends = [np.sum(alone(3, RHOS[3] + e, 10.0) ** 2) for e in (h, -h)]
    assert rho_bars[3] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


def single(y, rho, sigma):
    return sciad.solve_ivp(lorenz, (0.0, 1.0), y, t_eval=TIMES, args=(rho, sigma, 8 / 3), **OPTIONS).ys


def explode(t, y, a):
    return a * y**2


def test_failures_are_marked_and_raise_under_differentiation():
    found = sciad.ensemble(explode, (0.0, 1.0), np.ones((3, 1)), (np.array([0.1, 5.0, 0.2]),), method="Tsit5")
    np.testing.assert_array_equal(found.success, [True, False, True])
    assert np.isnan(found.ys[1]).all()
    assert "step size" in repr(found)
    with pytest.raises(sciad.SolveError):
        sciad.grad(lambda a: np.sum(sciad.ensemble(explode, (0.0, 1.0), np.ones((3, 1)), (a,), method="Tsit5").ys))(np.full(3, 5.0))


def test_batches_of_different_lengths():
    with pytest.raises(sciad.ShapeError, match=r"args_batch\[0\].*length 9"):
        sciad.ensemble(lorenz, (0.0, 1.0), Y0S, (RHOS[:3],), args=(10.0, 8 / 3))
