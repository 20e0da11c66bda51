# `make dev` runs the gateway, `make test` tests it. They need Python 3.11+ and make, and
# install everything else into .venv from requirements.lock, whose hashes are checked.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
NPM    := tests/conformance/node_modules/.installed

.PHONY: dev test test-long check faults soak bench clean install proto released schema docs lock format

dev: $(STAMP)
	@exec $(BIN)/rooms-gateway dev

test: $(STAMP) $(if $(shell command -v npm 2>/dev/null),$(NPM))
	$(BIN)/python -m pytest -m "not long"

# Runs the long tests: races, quotas, faults and latencies at full size.
faults: $(STAMP)
	$(BIN)/python -m pytest -m long -s tests

test-long: faults

# Runs for an hour (SOAK_MINUTES) under load: memory, files and tasks must not grow.
soak: $(STAMP)
	$(BIN)/python -m tests.faults.soak

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint protos
	$(BIN)/buf breaking protos --against protos/released.binpb

bench: $(STAMP)
	$(BIN)/python -m tests.bench

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes the clients' stubs (clients/python-stubs), the server's copy (gateway/rpc/v1) and the texts
# for the GraphQL schema. They are committed, so running the gateway needs no compiler.
proto: $(STAMP)
	$(BIN)/python protos/generate.py .

# Makes the protos those of a release. Later ones must not break their clients.
released: $(STAMP)
	$(BIN)/buf build protos --exclude-source-info -o protos/released.binpb

schema: $(STAMP)
	$(BIN)/rooms-gateway schema > schema/schema.graphql

# Writes the generated parts of docs/: the reference and the list of proofs.
docs: $(STAMP)
	$(BIN)/python -m docs.generate

# Writes requirements.lock for all supported Pythons and platforms, with hashes and without
# the address of a package index. Needs uv.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --all-extras pyproject.toml -o requirements.lock

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv does not work here: install it (Debian: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(NPM): tests/conformance/package.json
	cd tests/conformance && npm ci --silent --no-audit --no-fund
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis tests/conformance/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
