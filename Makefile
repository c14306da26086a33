# The two commands on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
# Needs Python >= 3.11, make and a package index; everything goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
ARGS ?=
# The first Python on this machine that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
  if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help demo test lint audit fmt docs bench clean

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.installed $(VENV)/.warm  ## install, build a book of 1,000 accounts, run a day, open the portal; ARGS="--accounts 50"
	$(BIN)/sma demo $(ARGS)

test: lint $(VENV)/.warm  ## install what testing needs; style, types, walls, docs, every test on both databases
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

lint: $(VENV)/.developer  ## style, types, walls between rooms, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/cli_reference.py --check

audit: $(VENV)/.developer  ## known vulnerabilities of what is installed, secrets in what is committed
	$(BIN)/python tools/audit.py

fmt: $(VENV)/.developer  ## format, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.developer  ## write docs/cli.md again from the commands' own help
	$(BIN)/python tools/cli_reference.py

bench: $(VENV)/.developer $(VENV)/.warm  ## measure the solver against its peers in the same run; those missing are named
	$(BIN)/sma construct bench $(ARGS)
	$(BIN)/python benchmarks/construct.py --small

clean:  ## remove the environment and all caches; books and markets stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# --- installation: one stamp for each step, so that nothing is done twice -------------------------

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "opensma needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Could not create $(VENV). On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@# pip learned --group in 25.1; older ones come with older Pythons.
	@$(BIN)/python -m pip --version | grep -qE 'pip (2[6-9]|25\.[1-9]|[3-9][0-9])' || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	@echo "Installing opensma into $(VENV) (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[documents,growth,sign-in]"
	@touch $@

$(VENV)/.developer: pyproject.toml $(VENV)/.created
	@echo "Installing opensma and its test tools into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[postgres,documents,growth,sign-in]' --group dev
	@touch $@

# Machine code of the decision kernel is made once here, so that no user waits for it in a command.
$(VENV)/.warm: $(wildcard src/opensma/construct/*.py) | $(VENV)/.created
	@$(BIN)/python tools/warm_up.py
	@touch $@
