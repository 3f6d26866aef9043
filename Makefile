# Every target sets up what it needs: a fresh clone and `make demo` is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# Where coverage is measured. Tracing these takes a seventh of the whole run's time; the others mostly
# drive servers and processes of their own, where it would cost as much and see little.
MEASURED := tests/unit tests/integration

.DEFAULT_GOAL := help
.PHONY: help install demo test test-measured test-acceptance test-others image-test check sbom bench bench-accept lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "token-discovery needs Python 3.11 or later; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python lacks venv; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (about 30 seconds)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(READY) ## Set up .venv alone

demo: $(READY) ## Run the whole service on embedded servers; options: make demo ARGS="--speed 3"
	@$(BIN)/token-discovery demo $(ARGS)

# The three parts run at once, on servers of their own, since acceptance tests mostly wait; the
# output of each comes when it ends.
test: $(READY) ## Run every test, on real servers of its own, and measure coverage
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-measured test-acceptance test-others
	@echo "Coverage, percent of lines and branches, by $(MEASURED) alone:"
	@$(BIN)/coverage report --format=total

test-measured: $(READY) ## Run the tests by which coverage is measured, alone
	@$(BIN)/coverage run -m pytest $(MEASURED)

test-acceptance: $(READY) ## Run the tests of the service as a process of its own, alone
	@$(BIN)/python -m pytest -o cache_dir=.pytest_cache/acceptance tests/acceptance

test-others: $(READY) ## Run the other tests, alone
	@$(BIN)/python -m pytest -o cache_dir=.pytest_cache/others $(MEASURED:%=--ignore=%) --ignore=tests/acceptance

image-test: $(READY) ## Build the image and try it as in production (needs docker, or buildah and podman)
	@$(BIN)/python -m pytest tests/image/checks.py

check: $(READY) ## Lint, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@! grep -n '://' requirements.lock requirements-service.lock tests/owner/package-lock.json benchmarks/fan_out_peers/package-lock.json

sbom: $(READY) ## Write dist/token-discovery.cdx.json: what the service consists of, as CycloneDX
	@mkdir -p dist
	@$(BIN)/python deploy/sbom.py > dist/token-discovery.cdx.json

bench: $(READY) ## Run every benchmark, each figure beside the accepted one; JSON in benchmarks/results/
	@$(BIN)/python -m benchmarks $(ARGS)

bench-accept: $(READY) ## Accept the figures measured last, of all or some: make bench-accept NAMES=hot_path
	@$(BIN)/python -m benchmarks --accept $(NAMES)

lock: ## Renew both lock files (needs uv); they hold hashes and no address
	uv export --quiet --no-emit-project --no-header --no-annotate --format requirements-txt --all-extras -o requirements.lock
	uv export --quiet --no-emit-project --no-header --no-annotate --format requirements-txt -o requirements-service.lock

clean: ## Remove what the other targets made
	rm -rf $(VENV) *.egg-info build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results
