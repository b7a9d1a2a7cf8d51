# Everything runs in a virtual environment below this folder; nothing else is touched, except by the
# targets that need more of the system: `check`, `e2e` and those of images install it.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Tests of the modules whose coverage is measured; tracing all others would double their time.
MEASURED := tests/unit
UNMEASURED := tests/integration
# They wait more than they work: one more process than the smallest machine has cores.
WORKERS ?= 3

# In sum, for all fuzzers: some minutes.
INPUTS ?= 2000000

.PHONY: demo format lint types layers test measured unmeasured fuzz fuzz-minute docs bench attacks vendor hooks dist e2e check images image-check image-test clean

# The system and its programs first: types are checked with what they bring.
check: $(VENV)/system $(VENV)/e2e lint types layers docs test fuzz-minute e2e image-check  ## all that has to hold; what CI runs

demo: $(VENV)/demo  ## serve a real kernel and run code through it
	$(BIN)/python examples/demo.py

# These need pip alone.

format: $(VENV)/dev  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev
	$(BIN)/mypy

layers: $(VENV)/dev
	$(BIN)/lint-imports

docs: $(VENV)/dev  ## the generated pages are up to date, links lead somewhere
	$(BIN)/python docs/generate.py --check

test: $(VENV)/dev  ## the fast suite
	$(MAKE) --jobs=2 --output-sync measured unmeasured

measured: $(VENV)/dev  ## each pure module is covered by its own tests
	$(BIN)/coverage run -m pytest $(MEASURED)
	$(BIN)/python tools/own_coverage.py

unmeasured: $(VENV)/dev
	$(BIN)/python -m pytest -n $(WORKERS) -m "not e2e" $(UNMEASURED)

fuzz: $(VENV)/dev  ## very many inputs that are nearly right
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS)

fuzz-minute: $(VENV)/dev
	$(BIN)/python -m tests.fuzz --seconds 60

bench: $(VENV)/dev  ## side by side with the peers
	$(BIN)/python -m benchmarks

attacks: $(VENV)/dev  ## a real w2z under attack: its memory, its stalls, its answers
	$(BIN)/python -m tests.attacks

hooks: $(VENV)/hooks  ## check what is committed, before every commit
	$(BIN)/pre-commit install

dist: $(VENV)/release  ## what is published, built from a source distribution
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

# These install programs of the system, through apt-get.

e2e: $(VENV)/e2e $(VENV)/podman tests/node/node_modules/.installed  ## real kernels, real clients
	$(BIN)/python -m pytest -n 2 -m e2e tests/integration tests/e2e

images: $(VENV)/e2e $(VENV)/podman  ## all images of containers/
	$(BIN)/python -m tests.containers.images

image-check: $(VENV)/e2e $(VENV)/podman  ## the images that take little time to build, at work
	$(BIN)/python -m tests.containers.apart $(BIN)/python -m pytest -m "not slow" tests/containers

image-test: $(VENV)/e2e $(VENV)/podman  ## all images at work, and what they cost
	$(BIN)/python -m tests.containers.apart $(BIN)/python -m pytest tests/containers

vendor: $(VENV)/system $(VENV)/dev  ## the libraries of the page, from npm, with their checksums
	$(BIN)/python tools/vendor_page.py

# What is installed, each marked by a file.

$(VENV)/pip:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is no Python 3.11 or later that can make a virtual environment."; \
	    echo "Debian and its kin: apt-get install python3-venv. Another Python: make PYTHON=python3.12 ..."; \
	    exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/demo: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group demo
	touch $@

$(VENV)/dev: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

$(VENV)/hooks: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --group hooks
	touch $@

$(VENV)/release: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --group release
	touch $@

$(VENV)/e2e: $(VENV)/system $(VENV)/dev
	$(BIN)/python -m pip install --quiet --editable . --group e2e
	touch $@

$(VENV)/system: tests/install-system.sh
	tests/install-system.sh
	mkdir -p $(VENV)
	touch $@

$(VENV)/podman: $(VENV)/pip tests/containers/install-podman.sh
	tests/containers/install-podman.sh
	touch $@

tests/node/node_modules/.installed: tests/node/package-lock.json | $(VENV)/system
	cd tests/node && npm ci --no-audit --no-fund --loglevel=error
	touch $@

clean:
	rm -rf $(VENV) dist tests/node/node_modules .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
