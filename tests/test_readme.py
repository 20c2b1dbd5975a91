"""The README's Python runs, and its gradients agree with central differences."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the first block of Python in the README defines; run from a file, because the compiled tier reads sources."""
    path = tmp_path_factory.mktemp("readme") / "readme_example.py"
    path.write_text(re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL).group(1))
    spec = importlib.util.spec_from_file_location("readme_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "at"), [("product", [0.5, 1.0, 2.0]), ("final_prey", [1.5, 1.0, 1.0, 3.0])])
def test_gradients_of_the_readme(names, name, at):
    fun, at, h = getattr(names, name), np.array(at), 1e-5
    differences = [(fun(at + h * e) - fun(at - h * e)) / (2 * h) for e in np.eye(at.size)]
    np.testing.assert_allclose(names.sciad.grad(fun)(at), differences, rtol=2e-4, atol=1e-6)
