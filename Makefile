# make demo    finished product pictures from samples/products.csv (first run installs, later runs are offline)
# make test    lint, formatting, types, import contract, tests
# make help    everything else

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The folder kernels/ must never pass for Hugging Face's package of that name (docs/decisions/001-layout.md).
export PYTHONSAFEPATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

PYTHON ?= python3
# Installed before everything else, so that a machine with a build of its own (CPU, CUDA) keeps that one: make TORCH=2.11.0 demo
TORCH ?= 2.13.0
# GPU=1 takes onnxruntime-gpu instead of onnxruntime; the two cannot live side by side.
GPU ?=
VENV ?= .venv$(if $(GPU),-gpu)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet
OUT ?= out
# Empty in an image, where the sources do not stay.
EDITABLE ?= --editable

.PHONY: help demo serve test check lint format test-gpu bench starter-sheet lock docker clean
.PHONY: requirements install install-dev debian-packages

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 22

demo: install  ## finished pictures from samples/products.csv in out/, offline once installed
	$(BIN)/imagegen batch samples/products.csv --out $(OUT)

serve: install  ## the studio page and the HTTP API on 127.0.0.1:8484
	$(BIN)/imagegen serve

test: debian-packages check  ## what CI runs: the Debian programs that some tests drive, then check

check: lint  ## lint, formatting, types, import contract, tests
	$(BIN)/python -m pytest -m "not gpu"

lint: install-dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev  ## rewrites the files as ruff likes them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-gpu: install-dev  ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

bench: install  ## cold start, warm seconds a picture, memory: benchmarks/results/
	PYTHONPATH=$(CURDIR) $(BIN)/python -m benchmarks.bench_generate

starter-sheet: install-dev  ## what the bundled model draws from twenty prompts: docs/images/starter-sheet.png
	PYTHONPATH=$(CURDIR) $(BIN)/python -m training.sample_sheet --out docs/images/starter-sheet.png

lock: install-dev  ## resolves pyproject.toml anew into requirements.lock and requirements-dev.lock
	$(BIN)/pip-compile $(LOCK_OPTIONS) --extra cpu --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK_OPTIONS) --extra cpu --extra dev --constraint requirements.lock \
	    --output-file requirements-dev.lock pyproject.toml
	sed -i -e '/^#/d' -e '/^$$/d' requirements.lock requirements-dev.lock

# torch stays out of the locks: it is installed first, by version, from wherever the machine has it.
LOCK_OPTIONS := --quiet --upgrade --strip-extras --unsafe-package torch --unsafe-package imagegen --unsafe-package pip --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

docker:  ## the CPU image (TARGET=cuda for the other one)
	docker build --target $(or $(TARGET),cpu) --tag imagegen:$(or $(TARGET),cpu) .

clean:  ## removes what make made, the virtual environment included
	rm -rf $(VENV) $(OUT) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# ---- installation: each stamp is newer than what it was made from, so a second run is instant and needs no network

requirements: $(VENV)/.requirements
install: $(VENV)/.runtime
install-dev: $(VENV)/.dev

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "imagegen needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "$(PYTHON) cannot make virtual environments; on Debian: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# A CUDA build of torch brings the exact triton it was made for: that one is kept. `--no-deps`: the lock is complete.
# `--no-compile`: compiling all of it to bytecode takes longer than downloading it, and a run imports a tenth.
$(VENV)/.requirements: requirements.lock | $(VENV)/.venv
	$(PIP) install --no-compile --constraint <(grep -v '^triton==' requirements.lock) "torch==$(TORCH)"
	$(PIP) install --no-compile --no-deps --requirement <(sed $(LOCK_FILTER) requirements.lock)
	@touch $@

$(VENV)/.runtime: $(VENV)/.requirements pyproject.toml
	$(PIP) install --no-deps --no-build-isolation $(EDITABLE) .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(PIP) install --no-compile --no-deps --requirement <(sed $(LOCK_FILTER) requirements-dev.lock)
	@touch $@

LOCK_FILTER = -e '$(if $(GPU),s/^onnxruntime==/onnxruntime-gpu==/)' \
    -e "$$($(BIN)/python -c 'import importlib.metadata as m; print("/^triton==/d" * any(r.startswith("triton") for r in m.requires("torch")))')"

# Tests that need one of these skip without it and say so; where we may install, they get it.
DEBIAN_PACKAGES := chromium postgresql libimage-exiftool-perl
debian-packages:
	@missing=$$(for p in $(DEBIAN_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || printf '%s ' $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    (timeout 60 apt-get -qq update; DEBIAN_FRONTEND=noninteractive \
	        timeout 180 apt-get -qq install --yes --no-install-recommends $$missing >/dev/null) \
	    || { echo "could not install: $$missing"; [ -z "$${CI:-}" ]; }; \
	else echo "NOT INSTALLED: $$missing(their tests will be skipped)"; fi
