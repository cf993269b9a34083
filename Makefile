# Two commands do everything on a fresh machine with Python 3.11+, make and git:
#   make demo   set up, draw a pool, curate it, print what was kept and what was caught
#   make test   set up, run the whole suite
# and `make ui` opens the same Dagster instance in the browser. `make accuracy POOL=folder` measures the filters on a pool with
# recorded truth and writes docs/accuracy.md.
PYTHON ?= python3
VENV := .venv
WORKERS ?= auto
BIN := $(VENV)/bin
POOL ?= ../shared/data/real_pool
export DAGSTER_HOME := $(CURDIR)/.dagster
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: demo test fast accuracy ui lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/curate demo .

# What drives a daemon, a webserver or kills processes runs by itself: it waits for things to happen.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not e2e" -n $(WORKERS) --dist worksteal
	$(BIN)/python -m pytest -m e2e

# For the two minutes between two edits: nothing slow, and fewer drawn examples of each law; `make test` draws all of them.
fast: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not slow and not e2e and not gpu" --hypothesis-profile fast -n $(WORKERS) --dist worksteal

accuracy: $(VENV)/.installed
	$(BIN)/python docs/accuracy.py "$(POOL)" $(if $(ENCODER),--with-encoder)

ui: $(VENV)/.installed
	@mkdir -p $(DAGSTER_HOME)
	@test -e $(DAGSTER_HOME)/dagster.yaml || ln -s ../dagster.yaml $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(VENV)/.installed: pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; say make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c .ci/constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) .dagster lake pool report truth.parquet
