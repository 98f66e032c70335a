# `make help` lists what there is. Needed: Python 3.8 to 3.13 with its venv module, make, git.
#
# The environment is made by scripts/make_venv.py in .venv: tested versions (constraints.txt), on a
# Jetson with the board's own torch. It knows by itself when nothing is to be done, so every target
# calls it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/demo

# What a plain `make test` leaves to `make test-all`.
QUICK := not slow and not browser and not notebook and not gpu and not jetson and not keras
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all test-browser test-notebooks test-floor lint format docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name what; \
	do printf '  make %-14s %s\n' "$$name" "$$what"; done

venv: ## make .venv with what nas-edge needs to run
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras baselines

demo: venv ## search on the synthetic PCB set: the front and a report
	@$(BIN)/nas-edge run demo --out $(OUT)

test: ## the tests, without the slow ones, in two processes
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras test
	@$(BIN)/python -m pytest -q --durations=10 -m "$(QUICK)" -n 2 --dist loadfile $(PYTEST_ARGS)

test-all: ## every test that this machine can run: slow, keras, browser, notebook, gpu, jetson too
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras test,keras,postgres,notebooks
	@$(BIN)/python -m pytest -q --durations=25 $(PYTEST_ARGS)

test-browser: ## the tests that open pages in Chromium
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras test
	@$(BIN)/python -m pytest -q --durations=5 -m "browser" $(PYTEST_ARGS)

test-notebooks: ## execute notebooks/, a minute or two each
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras test,notebooks
	@$(BIN)/python -m pytest -q --durations=5 -m "notebook" $(PYTEST_ARGS)

test-floor: ## the tests on Python 3.8, torch 2.1, optuna 4.5 (FLOOR_PYTHON=... to name a Python 3.8)
	@$(PYTHON) scripts/run_floor.py -q --durations=10 -m "$(QUICK)" -n 2 --dist loadfile $(PYTEST_ARGS)

lint: ## ruff and mypy
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: ## let ruff mend what it can
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: ## the documentation in build/docs, warnings as errors (Python 3.11 or newer)
	@$(PYTHON) scripts/make_venv.py $(VENV) --extras docs
	@$(BIN)/python -c "import sphinx" 2> /dev/null || { \
	  echo "error: the documentation needs Python 3.11 or newer: make PYTHON=python3.11 docs" >&2; exit 3; }
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs build/docs
	@echo "build/docs/index.html"

clean: ## remove .venv, caches and builds; runs/ stays
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
