# sciad: `make demo` and `make test` work on a fresh machine with nothing but Python >= 3.10 and the package index.
# Environments are made once (.venv, .venv-peers, .venv-enzyme) and again when pyproject.toml changes.

VENV   := .venv
PEERS  := .venv-peers
ENZYME := .venv-enzyme
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
# The first Python that runs, is new enough and can make environments; `make PYTHON=...` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1 && { echo $$p; break; }; done)

.PHONY: help demo test lint types doctest examples peers bench clean

help:
	@echo "make demo      fit a neural ODE to a spiral and draw it (out/fit_spiral.png)"
	@echo "make test      run the tests"
	@echo "make lint      ruff          make types     mypy on the public surface"
	@echo "make doctest   docstrings    make examples  all examples in their quick form"
	@echo "make peers     the libraries we compare with, in $(PEERS) and $(ENZYME)"
	@echo "make bench     all benchmarks (with the peers, if they are there)"
	@echo "make clean     remove environments, caches and pictures"

demo: $(VENV)/.installed
	$(BIN)/python examples/fit_spiral.py

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

doctest: $(VENV)/.test
	$(BIN)/python -m pytest --doctest-modules --import-mode=prepend sciad

examples: $(VENV)/.installed
	@set -e; for script in examples/*.py; do echo "$$script"; SCIAD_QUICK=1 $(BIN)/python "$$script"; done

peers: $(PEERS)/.installed $(ENZYME)/.installed

bench: $(VENV)/.installed
	@set -e; for script in $$(grep -l __main__ benchmarks/*.py); do echo "$$script"; $(BIN)/python "$$script"; done

clean:
	rm -rf $(VENV) $(PEERS) $(ENZYME) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sciad tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each stands for one finished installation.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python from 3.10 to 3.14 that can make environments was found."; \
		echo "Install one (on Debian and Ubuntu: apt install python3 python3-venv), or say: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing sciad and what it needs"
	@$(PIP) --upgrade pip "setuptools>=77"
	@$(PIP) -e .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.installed
	@echo "Installing what the tests need"
	@$(PIP) -e ".[test]"
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.test
	@echo "Installing what developers need"
	@$(PIP) -e ".[dev]"
	@touch $@

$(PEERS)/.installed: | $(VENV)/bin/python
	@echo "Making $(PEERS); this takes some minutes"
	@test -x $(PEERS)/bin/python || $(BIN)/python -c "import sys, os, subprocess; subprocess.check_call([os.path.realpath(sys.executable), '-m', 'venv', '$(PEERS)'])"
	@$(PEERS)/bin/python -m pip --disable-pip-version-check --no-input install --quiet torch==2.13.0
	@$(PEERS)/bin/python -m pip --disable-pip-version-check --no-input install --quiet \
		torchdiffeq torchsde torchode torchdeq jax jaxlib diffrax optimistix casadi scikit-sundae heyoka numba scipy matplotlib
	@touch $@

# Enzyme comes with a JAX of its own, so it has an environment of its own.
$(ENZYME)/.installed: | $(VENV)/bin/python
	@echo "Making $(ENZYME)"
	@test -x $(ENZYME)/bin/python || $(BIN)/python -c "import sys, os, subprocess; subprocess.check_call([os.path.realpath(sys.executable), '-m', 'venv', '$(ENZYME)'])"
	@$(ENZYME)/bin/python -m pip --disable-pip-version-check --no-input install --quiet enzyme-ad numpy
	@touch $@
