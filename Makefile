# Everything runs in a virtual environment below this folder; nothing else is touched.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Tests of the modules whose coverage is measured; tracing all others would double their time.
MEASURED := tests/unit/wire tests/unit/hub tests/unit/test_message.py tests/unit/test_signature.py

.PHONY: demo format lint types layers test measured unmeasured e2e docs check images image-check image-test bench clean

check: lint types layers docs test e2e image-check  ## all that has to hold; what CI runs

demo: $(VENV)/demo  ## serve a real kernel and run code through it
	$(BIN)/python examples/demo.py

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
	$(BIN)/python -m pytest -m "not e2e and not containers" $(MEASURED:%=--ignore=%)

e2e: $(VENV)/dev tests/node/node_modules/.installed  ## real kernels, real clients
	$(BIN)/python -m pytest -m e2e

images: $(VENV)/dev $(VENV)/podman  ## all images of containers/
	$(BIN)/python -m tests.containers.images

image-check: $(VENV)/dev $(VENV)/podman  ## the images that take little time to build, at work
	$(BIN)/python -m tests.containers.apart $(BIN)/python -m pytest -m "containers and not slow"

image-test: $(VENV)/dev $(VENV)/podman  ## all images at work, and what they cost
	$(BIN)/python -m tests.containers.apart $(BIN)/python -m pytest -m containers

bench: $(VENV)/dev  ## side by side with the peers
	$(BIN)/python -m benchmarks

$(VENV)/pip: tests/install-system.sh
	tests/install-system.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/podman: $(VENV)/pip tests/containers/install-podman.sh
	tests/containers/install-podman.sh
	touch $@

$(VENV)/demo: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group demo
	touch $@

$(VENV)/dev: $(VENV)/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

tests/node/node_modules/.installed: tests/node/package-lock.json
	cd tests/node && npm ci --no-audit --no-fund --loglevel=error
	touch $@

clean:
	rm -rf $(VENV) tests/node/node_modules .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
