# make run    the dashboard            make check   linter, formatter and type checker
# make test   all tests                make lock    pin every requirement anew in constraints.txt
# make audit  known vulnerabilities    make screenshots   the README's, taken anew
#
# The first of these Pythons that is there and supported is taken; name another with PYTHON=/path/to/python3.12.

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	"$$name" -c "$(SUPPORTED)" 2>/dev/null && echo "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: run test check lock audit screenshots chromium

run: $(VENV)/.run
	$(BIN)/python app.py

# A worker per core; more of them make each other wait. Workers get groups of tests (tests/conftest.py).
test: $(VENV)/.dev chromium
	$(BIN)/python -m pytest -n logical

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

chromium:
	@tests/browser/install_chromium.sh

lock: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
		--custom-compile-command "make lock" --output-file constraints.txt pyproject.toml

audit: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	$(VENV)/audit/bin/pip-audit --path $(VENV)/lib/python3.*/site-packages

screenshots: $(VENV)/.dev chromium
	PYTHONPATH=. $(BIN)/python tests/browser/screenshots.py

$(BIN)/python:
	@"$(or $(PYTHON),false)" -c "$(SUPPORTED)" 2>/dev/null || { echo "FeatherFace Compare needs Python 3.11, \
	3.12 or 3.13, and '$(or $(PYTHON),python3)' is none of them. Install one, or name it: \
	make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run: pyproject.toml requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing FeatherFace Compare and its requirements into $(VENV): a few minutes the first time."
	$(PIP) install -c constraints.txt -e ".[study,reports]"
	@touch $@

$(VENV)/.dev: pyproject.toml requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing FeatherFace Compare and its developers' tools into $(VENV): a few minutes the first time."
	$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.run
