# make demo   a working system in the folder demo/: a repository, a master and two workers
# make test   lint, types and all tests
# make soak   twenty minutes of random kills, reloads, stops and hangs on each database
# make docs   write the reference and the release notes of docs/ from the code
# make clean  remove what these made
#
# Everything is installed into .venv. The second time is quick: the stamps tell what is done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEER := .venv-peer
PACKAGES := common/ci_common worker/ci_worker master/ci_master www/ci_www
SOURCES := common master worker www tests

.PHONY: test demo docs soak clean lint types layers unit system-packages

test: lint types layers unit

demo: $(VENV)/.runs
	$(BIN)/ci-master quickstart demo

# What a master needs to run ...
$(VENV)/.runs: setup.py pyproject.toml
	@echo "Installing into $(VENV): half a minute to three minutes, once. Ctrl-C does no harm."
	@echo "1 of 2: a virtual environment"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "2 of 2: packages"
	@PYTHONWARNINGS=ignore bash -o pipefail -c "$(BIN)/python -m pip install --editable '.[master]' \
	    | sed -u -n -E 's/^Collecting ([^ ]+).*/  \1/p; s/^Installing collected.*/  .../p'"
	@touch $@

# ... and what its tests need on top of that.
$(VENV)/.installed: $(VENV)/.runs
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

docs: $(VENV)/.installed
	$(BIN)/python docs/tools/reference.py
	$(BIN)/python docs/tools/releases.py

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

# A stock Buildbot, which our master and worker are tried with, in an environment of its own.
$(PEER)/.installed:
	test -x $(PEER)/bin/python || $(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet \
	    'buildbot==4.3.*' 'buildbot-www==4.3.*' 'buildbot-worker==4.3.*' \
	    && touch $@ || { echo "no stock Buildbot: the tests with it will be skipped"; \
	    test -z "$$CI_REQUIRE_ALL"; }

# Tests with real processes wait most of the time: two at once for each processor.
TEST_PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')

unit: system-packages $(PEER)/.installed
	if [ -e $(PEER)/.installed ]; then \
	    export CI_PEER_BUILDBOT=$(CURDIR)/$(PEER)/bin/buildbot; \
	    export CI_PEER_WORKER=$(CURDIR)/$(PEER)/bin/buildbot-worker; \
	fi; \
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal -rs

SOAK_MINUTES ?= 20

soak: system-packages
	$(BIN)/python -m tests.soak.chaos --minutes $(SOAK_MINUTES) --database sqlite
	$(BIN)/python -m tests.soak.chaos --minutes $(SOAK_MINUTES) --database postgresql

clean:
	rm -rf $(VENV) $(PEER) demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
