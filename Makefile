# make test   everything that CI runs: linters, doctests, tests
# make lint   the linters alone
# make demo   a sample corpus, a training, its table and pictures
# A Python of 3.10 or newer is all that must be there; PYTHON=... names it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: test lint demo install

install: $(INSTALLED)

# Made again when what is required changes; otherwise nothing is done.
$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "ser-mtl needs Python 3.10 or newer; make PYTHON=/path/to/python3 names one")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

lint: $(INSTALLED)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check .
	$(BIN)/yamllint --no-warnings .
	$(BIN)/codespell --ignore-words=.dict-speechbrain.txt $$(git ls-files)

test: lint
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile \
		--no-loadscope-reorder

demo: $(INSTALLED)
	$(BIN)/python -m ser_mtl_modules demo
