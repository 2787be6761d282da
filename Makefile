# make run    a quick look: train on real handwritten digits, no download of data needed
# make test   the tests, in under 8 minutes on two cores
# Both set up everything they need in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPERIMENT ?= experiments/cgan_digits.yaml

.PHONY: run test test-slow lint format docs matrix clean
.DEFAULT_GOAL := run

run: $(VENV)/run-ready
	$(BIN)/ganlab run $(EXPERIMENT)

test: $(VENV)/dev-ready
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

test-slow: $(VENV)/dev-ready
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup -m slow

lint: $(VENV)/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev-ready
	$(BIN)/python docs/generate.py

matrix: $(VENV)/dev-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.plugins.matrix > docs/matrix.md.part
	mv docs/matrix.md.part docs/matrix.md

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "ganlab needs Python 3.11 or newer: install it, or name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ganlab needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1 | cut -d" " -f2): name a newer one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "ganlab needs Python's venv module: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run-ready: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev-ready: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@ $(VENV)/run-ready
