# Each target sets up .venv by itself when it is missing or older than pyproject.toml.
PYTHON ?= python3
VENV ?= .venv
# A file of versions, as in constraints/; without one, the newest that fit this machine.
CONSTRAINTS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Warnings are errors.
SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Measured with what the package brings; each of them takes other recordings and models, too.
MEASURED := train_step features decode transcribe startup memory scale

.PHONY: demo test soak check audit docs bench clean

demo: $(READY)  ## the package's model hears a new voice, learns it in three minutes, and takes commands
	$(BIN)/python recipes/demo.py --out runs/demo

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest

soak: $(READY)  ## the tests that take minutes
	$(BIN)/python -m pytest -m soak

check: $(READY)  ## lint, format, types, import layers, sizes, what pages name, the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py tests/test_docs.py
	@if $(BIN)/python -c 'import material, mkdocstrings_handlers.python' 2> /dev/null; then $(SITE); fi

audit: $(READY)  ## known vulnerabilities of what is installed; asks a service on the network
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	mkdir -p build
	$(BIN)/python -m pip freeze --all --exclude-editable | sed 's/+.*//' > build/audited.txt
	$(BIN)/python -m pip_audit --strict --disable-pip --no-deps --progress-spinner off --requirement build/audited.txt

docs: $(READY)  ## the site, in build/site
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(SITE)

bench: $(READY)  ## measurements that are not tests, in tables and as JSON in build/bench
	mkdir -p build/bench
	for name in $(MEASURED); do $(BIN)/python -m benchmarks.$$name --json build/bench/$$name.json || exit 1; done
	$(BIN)/python -m benchmarks.score_speed
	$(BIN)/python -m benchmarks.score_coverage
	@echo 'of a corpus: python -m benchmarks.loader DATA/train.jsonl.gz; benchmarks.training_speed,'
	@echo 'benchmarks.training_parts and benchmarks.bptt with --source AN4. The head of each file in benchmarks/ says more'

$(READY): pyproject.toml
	@echo 'setting up $(VENV): a minute or two, without a word'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' $(addprefix --constraint ,$(CONSTRAINTS))
	touch $@

clean:
	rm -rf .venv .venv-oldest build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
