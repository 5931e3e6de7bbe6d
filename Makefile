# `make help` lists the targets. Everything runs in the project's own environment, .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# installed without what only developers need
RUNS := $(VENV)/.runs
# PyTorch's build for machines without a GPU, where your package index has it: torch==2.14.1+cpu
TORCH =
PIP = $(BIN)/python -m pip --disable-pip-version-check

# One thread for each of two test processes beats two threads in one, and results repeat.
TEST_ENV := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 PREFECT_SERVER_ANALYTICS_ENABLED=false

# what `make campaign` may be given
NAME =
N =
SEED = 0

.PHONY: help install demo shell wheel test test313 golden live campaign containers docs lint bench lock sbom clean

help:  ## Show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(STAMP)  ## Make the environment (.venv) with tested versions

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(PIP) install $(TORCH))
	$(PIP) install --quiet --progress-bar on --constraint constraints.txt --editable '.[dev]'
	touch $@ $(RUNS)

$(RUNS): pyproject.toml constraints.txt
	@echo "Installing lusgan into $(VENV). With PyTorch for NVIDIA GPUs, as pip takes it on Linux, that"
	@echo "downloads 3.2 GB and takes 7 GB of disk; docs/how-to/install.md has a smaller way."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(PIP) install $(TORCH))
	$(PIP) install --progress-bar on --constraint constraints.txt --editable .
	touch $@

demo: $(RUNS)  ## Phantom exams through the whole pipeline on the CPU; prints the report's path
	$(BIN)/lusgan demo

shell: $(RUNS)  ## A shell in which `lusgan` is found
	@PATH="$(abspath $(BIN)):$$PATH" "$${SHELL:-/bin/sh}"

wheel: install  ## The wheel that a release would be: dist/lusgan-VERSION-py3-none-any.whl
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

test: install  ## Run the tests
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile $(SOME)

golden: install  ## Write the tables of results anew, after a version was raised
	$(BIN)/python tests/golden/renew.py

test313:  ## Run the tests under Python 3.13 as well, but for the longest, in an environment of their own (.venv313)
	$(MAKE) --no-print-directory test VENV=.venv313 PYTHON="$$(tests/find_python 3.13)" \
	  SOME="-m 'not live and not containers and not once'"

live: install  ## Tests with a real S3 server, Prefect server and worker on this machine (20 minutes)
	$(TEST_ENV) $(BIN)/python -m pytest -m live -n 2 --dist loadfile tests/live tests/attacks

campaign: install  ## Kills, faults, random trainings or damaged files at any length: NAME=kills N=50 SEED=7; without NAME, a list
	$(TEST_ENV) $(BIN)/python -m pytest -m campaign --timeout=0 --campaign="$(NAME)" \
	  $(if $(N),--campaign-size=$(N)) --campaign-seed=$(SEED) tests

containers: install  ## Build the images and test them, for real; starts a Docker engine of its own if none answers
	$(TEST_ENV) PYTHON=$(BIN)/python docker/test/run

docs: install  ## Build the documentation as a site that needs no network (build/site); a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: install  ## Style, types and layers
	$(BIN)/ruff check --no-cache
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: install  ## Measure what docs/explanation/speed.md quotes (several minutes)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	$(BIN)/python benchmarks/read_mat.py
	$(BIN)/python benchmarks/data_path.py
	$(BIN)/python benchmarks/training.py --iterations 2
	$(BIN)/python benchmarks/pairs.py
	$(BIN)/python benchmarks/shared_machine.py
	$(BIN)/python benchmarks/unit_costs.py

lock: install  ## Write what a release is installed with, with hashes (deployments/release/requirements.txt)
	mkdir -p build
	$(BIN)/python -m pip install --dry-run --ignore-installed --quiet --constraint constraints.txt \
	  --report build/report.json '.[docker,kubernetes,dask]'
	$(BIN)/python deployments/release/lock.py build/report.json deployments/release/requirements.txt

sbom: install  ## List all that is installed, with licences, for a vulnerability scanner (sbom.json, CycloneDX)
	test -x .venv-sbom/bin/cyclonedx-py || { $(PYTHON) -m venv .venv-sbom && \
	  .venv-sbom/bin/python -m pip install --quiet --constraint constraints.txt cyclonedx-bom; }
	.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file sbom.json $(BIN)/python

clean:  ## Remove the environment and what tools leave behind (not demo/)
	rm -rf $(VENV) .venv313 .venv-sbom sbom.json build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
