PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-peers
PEERS_READY := $(PEERS)/.ready

.PHONY: setup bundle chromium demo test lint format docs bench bench-peers constraints clean

setup: $(READY) bundle

# torch goes first and alone: machines without a GPU may offer a local CPU build under exactly this version.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $(READY)

# The program of the page that `apc report` writes, where it is missing or older than its sources. Without npm all else
# works: it says so and goes on.
bundle: $(READY)
	@$(BIN)/python hatch_build.py

# For the tests of that page, which are skipped without it.
chromium:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  { apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; }; } >/dev/null; } || \
	  echo "chromium is missing: the tests of the report's page are skipped"

demo: $(READY) bundle
	$(BIN)/python examples/demo.py

# Each worker takes a half of the tests in their order, so that few fixtures are made twice, and then what is left.
test: $(READY) bundle chromium
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The variable keeps Material's advertisement of another generator out of the output.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(READY) bundle
	$(BIN)/python -m benchmarks

# The group that needs packages which nothing else does, in a virtual environment of its own.
bench-peers: $(PEERS_READY)
	$(PEERS)/bin/python -m benchmarks cse

$(PEERS_READY): pyproject.toml constraints.txt benchmarks/constraints-peers.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet torch==2.13.0
	$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt hatchling editables
	$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable .
	$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt \
	  --constraint benchmarks/constraints-peers.txt da4ml
	touch $(PEERS_READY)

constraints: $(READY)
	{ echo "# Every version that was tested together (make setup). Renew with: make constraints"; \
	  $(BIN)/python -m pip freeze --exclude-editable --exclude apc-rtm | sed 's/+cpu$$//'; } > constraints.txt.new
	mv constraints.txt.new constraints.txt
	touch $(READY)

clean:
	rm -rf $(VENV) $(PEERS) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
	rm -rf apc/inspector/bundle apc/inspector/web/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
