# Everything runs in a virtual environment that is made here; only Python, pip and make are needed.
SHELL := /bin/sh
PYTHON ?= python3
# The CPU build where the index has one; installed first, so that nothing else chooses a build.
TORCH ?= torch==2.13.0
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check format bench bench-peers golden docs zoo clean

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) "$(TORCH)"
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) --editable ".[all]" "transformers==5.23.0"
	@touch $@

$(VENV)/.dev: $(VENV)/.demo pyproject.toml
	$(PIP) --group dev
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/python -m fixtures.demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

# In an environment of its own: what the peers need must not choose versions for the rest.
bench-peers:
	$(MAKE) VENV=.venv-peers .venv-peers/.peers
	.venv-peers/bin/python -m tests.benchmarks.bench_peers

$(VENV)/.peers: $(VENV)/.torch
	$(PIP) "$(TORCH)" "transformers==5.23.0" torchinfo torchview torchlens
	@touch $@

golden: $(VENV)/.dev
	$(BIN)/python -m tests.golden

docs: $(VENV)/.dev
	$(BIN)/python -m modscope.explain docs/rules
	$(BIN)/python -m tests.pages

zoo: $(VENV)/.dev
	$(BIN)/python -m tests.zoo

clean:
	rm -rf $(VENV) .venv-peers build dist *.egg-info
