# One virtual environment in .venv, filled by plain pip from constraints.txt; stamp files keep a second `make` from installing again.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
WITH_EXTRAS := '.[all]'
WITH_TOOLS := '.[all,dev]'

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_NO_INPUT := 1
# No target needs a model hub or an account, and none may wait for one.
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export WANDB_MODE ?= offline
export NO_MKDOCS_2_WARNING := 1

# pip's output goes to a log, and is shown when the command fails.
pip_install = $(BIN)/python -m pip install --constraint constraints.txt $(1) >> $(VENV)/install.log 2>&1 \
	|| { tail -n 60 $(VENV)/install.log >&2; echo "pip failed: the whole log is $(VENV)/install.log" >&2; exit 1; }

.PHONY: help demo test test-slow test-servers test-collectors check format bench docs install model clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) model ## Set everything up and run the mood example: no key needed
	@$(BIN)/python -m examples.mood.demo

# Two processes, and all tests of a file in the same one: they share servers and what was computed once.
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test: $(DEV) model ## Set everything up and run the tests, docstring examples included
	@$(PYTEST)

test-slow: $(DEV) model ## Run the slow tests too
	@$(PYTEST) -m "slow or not slow"

test-servers: $(DEV) model ## Run the tests against real servers, installed once into .servers/
	@$(BIN)/python -m tests.servers_real.environments
	@$(BIN)/python -m pytest -m slow tests/servers_real

test-collectors: $(DEV) ## Run the tests against real OpenTelemetry collectors, installed once into .servers/
	@$(BIN)/python -m tests.collectors_real.environments
	@$(BIN)/python -m pytest -m slow tests/collectors_real

check: $(DEV) ## Check style, types, the floors and the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright --warnings
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mkdocs build --strict --quiet

format: $(DEV) ## Sort the imports and format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(DEV) model ## Run every benchmark
	@shopt -s nullglob; runs=(benchmarks/*/run.py benchmarks/optimize/texts.py); \
	if [ $${#runs[@]} -eq 0 ]; then echo "there are no benchmarks yet"; fi; \
	for run in "$${runs[@]}"; do echo "== $$run"; module=$${run%.py}; $(BIN)/python -m "$${module//\//.}"; done

docs: $(DEV) ## Build the documentation into site/
	@$(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

install: $(DEV) ## Install the package with all its extras and the developers' tools into .venv

# Idempotent: it looks first whether the model is there, and checks its hashes.
model: $(RUNTIME) ## Fetch the embedded language model, once (93 MB)
	@$(BIN)/llm-brain models fetch smollm2

clean: ## Remove .venv and everything that was built; the fetched model stays
	rm -rf $(VENV) site .servers build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and by itself: its exact version is what lets pip take a build that lies at hand. antlr4-python3-runtime,
# which Hydra needs, has no wheel: it is built before isolation is switched off.
$(RUNTIME): pyproject.toml constraints.txt
	@echo "installing llm_brain into $(VENV) (once; some minutes on a fresh machine)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@: > $(VENV)/install.log
	@$(call pip_install,torch==2.13.0)
	@$(call pip_install,hatchling editables)
	@$(call pip_install,antlr4-python3-runtime)
	@$(call pip_install,--no-build-isolation --editable $(WITH_EXTRAS))
	@touch $@

$(DEV): $(RUNTIME)
	@echo "installing the developers' tools"
	@$(call pip_install,--no-build-isolation --editable $(WITH_TOOLS))
	@touch $@
