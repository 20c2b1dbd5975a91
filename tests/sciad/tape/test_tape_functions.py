"""Every NumPy function on the list: value, forward against reverse, differences, second order."""

import numpy as np
import pytest
from tape_cases import ARRAY_CASES, UFUNCS
from tape_checks import check
from tape_linalg_cases import LINEAR_CASES

#: Piecewise linear in places that differences of the given step would straddle, or eigenvectors whose second differences are noisy.
LOOSE = {"linalg.eig": 1e-6, "linalg.eigvals": 1e-6, "linalg.pinv": 1e-6, "linalg.lstsq": 1e-6, "linalg.svd": 1e-5, "linalg.norm": 1e-6,
         "linalg.cond": 1e-6, "polyfit": 1e-6, "linalg.eigh": 1e-6, "fft.irfft": 1e-6, "linalg.cholesky": 1e-6}


def missing_in_this_numpy(function, args):
    """Whether a plain call fails because a function or option is newer than the oldest NumPy that is supported."""
    try:
        function(*args)
    except AttributeError as error:
        return "numpy" in str(error)
    except TypeError as error:
        return "unexpected keyword" in str(error)
    return False


@pytest.mark.parametrize("case", ARRAY_CASES + LINEAR_CASES, ids=lambda case: case[0].split()[0])
def test_function(case):
    names, function, *args = case
    if missing_in_this_numpy(function, args):
        pytest.skip("this NumPy does not have it")
    check(function, *args, differences=LOOSE.get(names.split()[0], 1e-7), value=1e-11 if "linalg" in names or names == "polyfit" else 1e-13)


@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_ufunc(name, rng):
    args = [rng.uniform(low, high, 4) for low, high in UFUNCS[name]]
    check(getattr(np, name), *args)
    check(getattr(np, name), *[float(x[0]) for x in args])
    if len(args) == 2:
        check(lambda x, y: getattr(np, name)(x[:, None], y), *args)
        check(lambda x: getattr(np, name)(x, args[1][0]), args[0])
        check(lambda y: getattr(np, name)(args[0][0], y), args[1])
