# Pure make and Python: `python3` (3.11 or newer) is all that must be there.
PYTHON ?= python3
BIN := .venv/bin
DESCRIPTION ?=
SLIDES ?= 3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run dev test lint format types imports check ci lock clean bench bench-peers
# Any text, word for word: make would take $H out of $HOME.
override DESCRIPTION := $(value DESCRIPTION)
export DESCRIPTION

help:  ## This list
	@$(PYTHON) -c 'import re; [print(f"  make {n:12}{t}") for n, t in re.findall(r"(?m)^([a-z-]+):.*?## (.*)", open("Makefile").read())]'

setup: .venv/installed  ## Environment in .venv (every other target does this when needed)

run: .venv/installed  ## Start everything, make one video, show its path: DESCRIPTION="..." SLIDES=3 PORT=8001
	@$(BIN)/scenarist demo --slides "$(SLIDES)" --description "$$DESCRIPTION" $(ARGS)

dev: .venv/installed  ## Start everything and keep it running; restarts what you edit
	@$(BIN)/scenarist up --reload $(ARGS)

test: .venv/installed  ## All tests on a real server: TEST_SERVER=redis|valkey TEST_REDIS_URL=... ARGS="-k name"
	$(BIN)/pytest -n 4 --dist worksteal $(ARGS)

lint: .venv/installed  ## Style and mistakes (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed  ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/installed  ## Types (mypy, strict)
	$(BIN)/mypy

imports: .venv/installed  ## Who may import whom (import-linter)
	$(BIN)/lint-imports

check: lint types imports test  ## Everything that must hold before a commit

ci:  ## What the CI server runs: `check` on two servers
	.ci/run

bench: .venv/installed  ## Our own speed against its goals on Redis and Valkey, some minutes: ARGS="--server redis-server --keep"
	@$(BIN)/python -m tests.benchmarks.goals $(ARGS)

bench-peers: .venv/installed  ## Scenarist and its peers side by side, about 20 minutes: ARGS="--quick --peers celery bullmq"
	@$(BIN)/python -m tests.benchmarks.peers.run $(ARGS)

lock: .venv/installed  ## Renew requirements.lock from pyproject.toml: LOCK_ARGS=--upgrade
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock $(LOCK_ARGS)

clean:  ## Remove the environment, caches and all local data
	rm -rf .venv .scenarist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than the lock, so the second time there is nothing to do.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12" if v < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
