# make demo   a working system in the folder demo/: a repository, a master and two workers
# make test   lint, types and all tests
# make clean  remove what these made
#
# Everything is installed into .venv. The second time is quick: the stamps tell what is done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := common/ci_common worker/ci_worker master/ci_master www/ci_www
SOURCES := common master worker www tests

.PHONY: test demo clean lint types layers unit system-packages

test: lint types layers unit

demo: $(VENV)/.runs
	$(BIN)/ci-master quickstart demo

# What a master needs to run ...
$(VENV)/.runs: setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[master]'
	touch $@

# ... and what its tests need on top of that.
$(VENV)/.installed: $(VENV)/.runs
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

lint: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed
	$(BIN)/mypy $(PACKAGES)

layers: $(VENV)/.installed
	$(BIN)/lint-imports

# Some tests need programs that pip does not have: a browser, a database server, git.
system-packages: $(VENV)/.installed
	bash .ci/system-packages

unit: system-packages
	$(BIN)/python -m pytest -n auto -rs

clean:
	rm -rf $(VENV) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
