"""`compare_gradients`: rows for what works, reasons for what does not, a picture."""

import json

import numpy as np
import pytest

import sciad

TIMES = np.linspace(0.0, 2.0, 5)


def decay(t, y, p):
    return -p * y


def loss(p, adjoint):
    return np.sum(sciad.solve_ivp(decay, (0.0, 2.0), np.ones(2), "Tsit5", TIMES, args=(p,), rtol=1e-8, atol=1e-10, adjoint=adjoint).ys ** 2)


P = np.array([0.5, 2.0])
EXACT = np.array([np.sum(-2 * TIMES * np.exp(-2 * p * TIMES)) for p in P])


@pytest.fixture(scope="module")
def report():
    return sciad.compare_gradients(loss, P, ("discrete", "gauss", "backsolve", "magic"), reference=EXACT, repeats=1)


def test_errors_are_relative_to_the_reference(report):
    rows = report.to_dict()
    assert rows["discrete"]["error"] < 1e-7
    assert rows["gauss"]["error"] < 1e-6
    assert report.differences < 1e-6
    np.testing.assert_allclose(rows["discrete"]["gradient"], EXACT, rtol=1e-6)
    assert rows["discrete"]["forward_calls"] > 0
    assert rows["gauss"]["backward_calls"] > 0
    assert rows["gauss"]["peak_bytes"] > 0


def test_failures_are_rows_with_reasons(report):
    assert "magic" in report.to_dict()["magic"]["failure"]
    assert "failed" in str(report)
    json.dumps(report.to_dict())


def test_picture(report, tmp_path):
    report.plot(str(tmp_path / "report.png"))
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_all_failing_raises():
    with pytest.raises(sciad.SciadError, match="every adjoint failed"):
        sciad.compare_gradients(loss, P, ("magic",))


def test_differences_of_parameters_of_all_sizes():
    """The step of each parameter is relative to itself: rate constants lie ten orders of magnitude apart."""

    def sizes(p, adjoint):
        return loss(p * np.array([1e3, 1e-7]), adjoint)

    report = sciad.compare_gradients(sizes, P / np.array([1e3, 1e-7]), ("discrete", "forward"), repeats=1)
    assert report.differences < 1e-6
