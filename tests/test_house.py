"""The house stands: imports go down only, numba has one door, the wheel is whole, `import sciad` is light."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "sciad").rglob("*.py"))
OUTSIDE = sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")])

#: First part of the module's name below `sciad` -> floor.  What is not listed is a surface of AD, floor 2.
FLOORS = {
    **dict.fromkeys(("errors", "types", "tree", "ir", "verify", "fold", "vmath", "cache"), 0),
    **dict.fromkeys(("backend", "backend_arrays", "backend_cache", "backend_pipeline", "kernels", "linear_kernels", "scalar_kernels"), 0),
    **dict.fromkeys(("frontend", "passes", "rules", "codegen"), 1),
    "solvers": 3,
    "adjoints": 4,
    **dict.fromkeys(("nn", "optim", "fitting", "compare"), 5),  # conveniences: they stand on everything
}
SURFACE = 2
ROOF = 9  # sciad/__init__.py, which may import all and which nobody inside imports

#: What benchmarks and examples may import of sciad, besides names of the package itself.
PUBLIC_MODULES = {"sciad", "sciad.tree", "sciad.solvers", "sciad.adjoints", "sciad.nn", "sciad.optim", "sciad.linalg"}


def module_name(path: Path) -> str:
    """Dotted name of a source file; of the package for an ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor(module: str) -> int:
    """The floor that a dotted name below `sciad` lives on."""
    parts = module.split(".")
    if len(parts) == 1:
        return ROOF
    return 0 if parts[1].startswith("vmath") else FLOORS.get(parts[1], SURFACE)


def exists(module: str) -> bool:
    base = ROOT / Path(*module.split("."))
    return base.with_suffix(".py").is_file() or base.is_dir()


def imports(path: Path) -> list[tuple[int, str]]:
    """Line and full name of everything that a file imports, functions and type-checking blocks included."""
    tree, package = ast.parse(path.read_text(), str(path)), module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])]) if node.level else node.module
            for alias in node.names:  # `from sciad import tree` imports the module, `from sciad.tree import leaves` a name in it
                below = f"{base}.{alias.name}"
                found.append((node.lineno, below if base.split(".")[0] == "sciad" and exists(below) else base))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found += [(node.lineno, a.value) for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return found


def test_imports_go_down_only():
    """Nothing imports from a higher floor; adjoints do not use the conveniences, nobody inside imports the roof."""
    upward = []
    for path in SOURCES:
        here = floor(module_name(path))
        for line, target in imports(path):
            if target.split(".")[0] == "sciad" and floor(target) > here:
                upward.append(f"{path.relative_to(ROOT)}:{line}: floor {here} imports {target} of floor {floor(target)}")
    assert not upward, "\n".join(upward)


def test_conveniences_use_only_each_others_public_names():
    """nn, optim, fit and compare never reach into each other's underscored names."""
    private = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if floor(module_name(path)) == 5 and isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sciad"):
                private += [f"{path.relative_to(ROOT)}:{node.lineno}: {a.name}" for a in node.names if a.name.startswith("_")]
    assert not private, "\n".join(private)


def test_numba_has_one_door():
    """Only the backend, the vector math and kernels of solvers and adjoints import numba or llvmlite."""
    allowed = ("sciad.backend", "sciad.vmath", "sciad.solvers", "sciad.adjoints")
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {target}"
        for path in SOURCES
        for line, target in imports(path)
        if target.split(".")[0] in ("numba", "llvmlite") and not module_name(path).startswith(allowed)
    ]
    assert not wrong, "\n".join(wrong)


def test_benchmarks_and_examples_use_public_names():
    """`import sciad`, `from sciad import name`, `sciad.solvers` and their like; nothing from inside, nothing underscored."""
    wrong = []
    for path in OUTSIDE:
        place = path.relative_to(ROOT)
        wrong += [f"{place}:{line}: imports {t}" for line, t in imports(path) if t.split(".")[0] == "sciad" and t not in PUBLIC_MODULES]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and ast.unparse(node).startswith("sciad."):
                wrong.append(f"{place}:{node.lineno}: uses {ast.unparse(node)}")
    assert not wrong, "\n".join(wrong)


def test_rooms_are_links():
    """./solvers and ./adjoints lead into the package, relatively, so that a clone anywhere works."""
    for room in ("solvers", "adjoints"):
        assert os.readlink(ROOT / room) == f"sciad/{room}"


def test_every_folder_of_sources_is_a_package():
    """A folder without ``__init__.py`` would be missing from the wheel."""
    missing = {path.parent for path in SOURCES if not (path.parent / "__init__.py").exists()}
    assert not missing


def test_nothing_depends_on_files_outside():
    """No text of the project mentions the folder beside it."""
    needle, wrong = "../" + "shared", []
    listed = [p for p in ROOT.rglob("*") if p.suffix in (".py", ".md", ".toml", ".txt", ".cfg") or p.name in ("Makefile", "run")]
    for path in listed:
        if path.is_file() and not any(part.startswith((".venv", ".git", "build", "out")) for part in path.relative_to(ROOT).parts):
            wrong += [str(path.relative_to(ROOT))] if needle in path.read_text(errors="ignore") else []
    assert not wrong


LIGHT = """
import sys
from numba.core import event
with event.install_recorder("numba:run_pass") as passes, event.install_recorder("numba:compile") as compilations:
    import sciad
heavy = {"matplotlib", "torch", "jax", "pandas", "tqdm", "scipy.optimize", "scipy.integrate"} & set(sys.modules)
assert not heavy, f"import sciad imports {sorted(heavy)}"
assert not passes.buffer and not compilations.buffer, f"import sciad compiles: {[e for _, e in compilations.buffer][:3]}"
"""


def test_import_is_light():
    """`import sciad` brings numba and NumPy, no plotting, no torch, and compiles nothing."""
    done = subprocess.run([sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    """Names of the files in a wheel built from a copy of the sources."""
    pytest.importorskip("setuptools", minversion="77")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "sciad", copy / "sciad", ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("solvers", "adjoints"):
        (copy / room).symlink_to(f"sciad/{room}")
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_has_every_source(wheel_names):
    """All modules, and the mark that says that they are typed."""
    missing = {str(path.relative_to(ROOT)) for path in SOURCES} - wheel_names
    assert not missing
    assert "sciad/py.typed" in wheel_names


def test_wheel_installs_sciad_only(wheel_names):
    """The links for people's eyes do not become packages."""
    assert {name.split("/")[0].split("-")[0] for name in wheel_names} == {"sciad"}
