# Slipway's commands. `make demo` shows the product, `make test` proves it; neither asks anything.
SHELL = /bin/sh
STATE = $(or $(SLIPWAY_STATE),$(CURDIR)/var)
PYTHON_BIN = .venv/bin/python
FAST = not slow and not docker and not browser and not faults and not openapi
export SLIPWAY_STATE := $(STATE)

.PHONY: help setup check format test demo run bench clean

help:
	@echo "make demo    set up what is missing and show the product on http://127.0.0.1:8000 (ONCE=1: run the examples and end)"
	@echo "make run     development: database, web with reload, one worker"
	@echo "make check   format, lint, types, import contracts, templates and the fast tests"
	@echo "make test    check, and the tests with containers, a browser and faults"
	@echo "make bench   measure; writes bench/results/latest.md"
	@echo "make format  write the format that check demands"
	@echo "make clean   remove .venv and caches (var/, with the data, stays)"

# The product alone, and with the tools. Each stamp is newer than the list it stands for.
.venv/product.stamp: requirements.txt
	@portal/local/environment.sh requirements.txt $@

.venv/dev.stamp: requirements.txt requirements-dev.txt
	@portal/local/environment.sh requirements-dev.txt $@

setup: .venv/dev.stamp

# The tools read the settings, which want a key; the tests bring their own database.
check: export SECRET_KEY = for-checks-only-0000000000000000000000000000
check: .venv/dev.stamp
	@.venv/bin/ruff format --quiet --check . || { echo "Run: make format"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache --no-logo
	@find templates -name '*.html' -print0 | xargs -0 -r .venv/bin/djade --check --target-version 5.2
	@$(PYTHON_BIN) -m pytest -q -n 3 -m "$(FAST)" </dev/null

format: .venv/dev.stamp
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --quiet --fix .
	@find templates -name '*.html' -print0 | xargs -0 -r .venv/bin/djade --target-version 5.2 || true

test: .venv/dev.stamp
	@MAKE="$(MAKE)" portal/local/test.sh

demo: .venv/product.stamp
	@$(PYTHON_BIN) -m portal.local.demo $(if $(filter 1 yes true,$(ONCE)),--once) </dev/null

run: .venv/dev.stamp
	@$(PYTHON_BIN) -m portal.local.demo --develop

bench: .venv/dev.stamp
	@$(PYTHON_BIN) -m bench </dev/null

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
