# Everything runs in .venv, which is made from requirements.lock when it is missing or older than the lock.

PYTHON ?= $(shell for one in python3.13 python3.12 python3.11 python3 python; do \
	"$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$one"; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed
BENCH ?=
WORKERS ?= 2
PYTHONS ?= 3.11 3.12 3.13
interpreter = $(shell for one in "python$(1)" "$$(pyenv prefix $(1) 2>/dev/null)/bin/python"; do \
	"$$one" -c '' 2>/dev/null && { echo "$$one"; break; }; done)
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test test-all long engines lint format chaos bench docs sbom lock clean

help: ## Show what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

demo: $(STAMP) ## Two nations on this machine: issue, verify, revoke across the border, refuse forgeries
	@$(BIN)/testamur demo

test: $(STAMP) ## The suite; its last lines say what could not run here and why
	@$(BIN)/python -m tests.engines prepare
	@$(BIN)/python -m tests $(WORKERS)

test-all: $(STAMP) ## The unit and property tests on each of Python 3.11, 3.12 and 3.13 that is here; says which are not
	@for one in $(PYTHONS); do \
		$(MAKE) --no-print-directory "test-on-$$one" || exit 1; \
	done

test-on-%:
	@if [ -z "$(call interpreter,$*)" ]; then echo "Python $* is not on this machine: nothing was run on it."; exit 0; fi; \
	echo "Python $*:"; \
	$(MAKE) --no-print-directory ".venv-$*/.installed" && \
	.venv-$*/bin/python -m pytest -q -m shared -n $(WORKERS) --dist loadfile tests/unit tests/properties

long: $(STAMP) ## What fills the machine: everything killed under load, whole deployments, an empty environment
	@$(BIN)/python -m tests.engines prepare
	@$(BIN)/python -m pytest -m long

engines: $(STAMP) ## Fetch Kafka and MongoDB for the tests into your cache; their images too, where Docker answers
	@$(BIN)/python -m tests.engines fetch

lint: $(STAMP) ## ruff, mypy, the layers, the house lints
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.lints

format: $(STAMP) ## Put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

chaos: $(STAMP) ## Kill everything of two nations in turn, under load, three times (CHAOS_ROUNDS=N); erase ten thousand
	CHAOS_ROUNDS=$${CHAOS_ROUNDS:-3} CANARIES=$${CANARIES:-10000} $(BIN)/python -m pytest -q --timeout=3600 \
		tests/chaos/test_engines_killed.py tests/integration/test_erasure.py

bench: $(STAMP) ## Measure, print a table, write build/bench.json
	@mkdir -p build
	@$(BIN)/python -m tests.bench $(BENCH)

docs: $(STAMP) ## Render the OpenAPI and AsyncAPI documents into docs/api, and docs/settings.md
	$(BIN)/python -m tests.docs

sbom: $(STAMP) ## Write what the image holds, by name, version and hash, into build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(BIN)/python deploy/sbom.py build/sbom.json

lock: $(STAMP) ## Resolve pyproject.toml again: all of it, what the image runs, what builds it; with hashes, without an index address
	$(LOCK) --all-extras --group dev pyproject.toml -o requirements.lock
	$(LOCK) --extra production --constraint requirements.lock pyproject.toml -o deploy/production.lock
	echo hatchling | $(LOCK) --constraint requirements.lock - -o deploy/build.lock

clean: ## Remove what was built; the demo leaves nothing behind
	rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Testamur needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) is not Python 3.11 or newer: name another with make PYTHON=/path/to/python3.11." >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv-%/.installed: requirements.lock pyproject.toml $(STAMP)
	"$(call interpreter,$*)" -m venv --clear --without-pip .venv-$*
	$(BIN)/uv pip install --quiet --python .venv-$*/bin/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python .venv-$*/bin/python --no-deps --no-build-isolation -e .
	@touch $@
