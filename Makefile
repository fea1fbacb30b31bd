# Everything here works on a machine with Python 3.11 or later, make and a package index.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

# Where torch is taken from, if not from PyPI: https://download.pytorch.org/whl/cpu has small wheels
# for machines without a GPU.
TORCH_INDEX ?=

UPSTREAM := .venv-parity

# Those of minutes.
BENCHMARKS := startup rank read_scores generate publish rewards precision train view

.PHONY: help setup demo test test-slow parity lint format bench docs site facts clean

help:
	@echo "make demo       the whole method on the embedded world, into ./demo-shapes"
	@echo "make test       the tests (make test-slow: those that take minutes too)"
	@echo "make parity     rewards at full size against their authors' packages (minutes, 9 GB of disk)"
	@echo "make lint       ruff, mypy, the import contract, words (make format: let ruff write)"
	@echo "make bench      the benchmarks"
	@echo "make docs       docs/cli.md from the commands' own help"
	@echo "make site       the documentation as a site, into ./site"
	@echo "make facts      the table of the installed diffusers' classes, after a new version of it"
	@echo "make clean      remove what these commands made, the environment too"

setup: $(READY)

# One environment for everything, made again when what it should hold has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "synpic needs Python 3.11 or later; $(PYTHON) is not. Try: make PYTHON=/path/to/python3.11"; \
	  exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@test -z "$(TORCH_INDEX)" || $(BIN)/uv pip install --quiet --python $(BIN)/python \
	  -c constraints.txt --index-url "$(TORCH_INDEX)" torch torchvision
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/synpic demo demo-shapes

# Torch's threads wait for each other by spinning: with several processes on a few cores, one each.
test test-slow bench: export OMP_NUM_THREADS = 1

# Files whole: what a file's tests share is made once.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test: $(READY)
	$(PYTEST)

test-slow: $(READY)
	$(PYTEST) -m "slow or not slow"

# The authors' packages cannot be installed beside synpic: they get an environment of their own.
parity: $(READY) $(UPSTREAM)/.ready
	$(BIN)/python -m tests.parity.compare $(UPSTREAM)/bin/python

$(UPSTREAM)/.ready: tests/parity/requirements.txt | $(READY)
	rm -rf $(UPSTREAM)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(UPSTREAM)
	$(BIN)/uv pip install --quiet --python $(UPSTREAM)/bin/python -r $<
	@touch $@

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/words.py

# Formatted first: that breaks long lines, which the check refuses and cannot mend. Its mends are formatted.
format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY)
	@set -e; for name in $(BENCHMARKS); do \
	  echo "== benchmarks/$$name.py"; $(BIN)/python benchmarks/$$name.py; done

docs: $(READY)
	$(BIN)/python -m synpic_cli.reference > docs/cli.md
	$(BIN)/python -m synpic_cli.api_page > docs/api.md
	$(BIN)/python -m synpic_cli.rewards_page docs
	$(BIN)/python -m synpic_cli.agreement_page docs/agreement.md
	$(BIN)/python -m research.ports.page docs/ports.json docs/ports.md docs/ports-jpeg.md

# The documentation as a site, into ./site. Its search needs a server: python -m http.server -d site
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What is known of diffusers' classes without importing them, for the version that is installed.
facts: $(READY)
	$(BIN)/python -m synpic.generate.facts.by_import

clean:
	rm -rf $(VENV) $(UPSTREAM) demo-shapes site build dist *.egg-info cli/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find synpic cli tests benchmarks research dataset_cards -name __pycache__ -type d -exec rm -rf {} +
