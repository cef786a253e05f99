# What there is to do here; `make help` lists it. PYTHON=... chooses the Python of a new .venv.

# JSONRPC_QM_TEST_TIMES=10 tries ten times as many examples where tests of properties make them up.

# Tests make their servers of the programs that PATH finds first, JSONRPC_QM_TEST_MYSQLD=... names a
# mysqld of MySQL's to use instead of MariaDB.

# Tests wait for processes more than they compute.
WORKERS := $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) * 3 / 2 )))

.PHONY: help run test lint check bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Do the main job on real files: install into .venv, then run examples/files
	@scripts/venv .venv
	@.venv/bin/python -m examples.files

test: ## Install what the tests need and run all; the quick ones with every Python here
	@scripts/system-packages & programs=$$!; scripts/environments && wait $$programs
	scripts/test -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

lint: ## Check style, format and types
	@scripts/venv .venv dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

check: lint test ## Both: lint and test

bench: ## Measure speed, beside a bare HTTP server's; ARGS="--help" says what else it can do
	@scripts/venv .venv $(if $(findstring --storages,$(ARGS)),test)
	@.venv/bin/python -m benchmarks $(ARGS)

clean: ## Remove environments, caches and what was built
	rm -rf .venv .venvs .venv-node build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -r {} +
