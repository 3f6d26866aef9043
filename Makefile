# Every target sets up what it needs: a fresh clone and `make demo` is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# Where coverage is measured. Tracing these takes a seventh of the whole run's time; the others mostly
# drive servers and processes of their own, where it would cost as much and see little.
MEASURED := tests/unit tests/integration

.DEFAULT_GOAL := help
.PHONY: help install demo test image-test check bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test: $(READY) ## Run every test, on real servers of its own, and measure coverage
	@$(BIN)/coverage run -m pytest $(MEASURED)
	@$(BIN)/python -m pytest $(MEASURED:%=--ignore=%)
	@echo "Coverage, percent of lines and branches, by $(MEASURED) alone:"
	@$(BIN)/coverage report --format=total

image-test: $(READY) ## Build the image and try it as in production (needs docker, or buildah and podman)
	@$(BIN)/python -m pytest tests/image/checks.py

check: $(READY) ## Lint, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@! grep -n '://' requirements.lock requirements-service.lock tests/owner/package-lock.json

bench: $(READY) ## Run every benchmark; tables here, JSON in benchmarks/results/
	@$(BIN)/python -m benchmarks

lock: ## Renew both lock files (needs uv); they hold hashes and no address
	uv export --quiet --no-emit-project --no-header --no-annotate --format requirements-txt --all-extras -o requirements.lock
	uv export --quiet --no-emit-project --no-header --no-annotate --format requirements-txt -o requirements-service.lock

clean: ## Remove what the other targets made
	rm -rf $(VENV) *.egg-info build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results
