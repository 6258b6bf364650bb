# Weft: everything a newcomer needs is `make demo`, `make test` and `make check`.
#
# PYTHON is the interpreter that .venv is made from (3.11 or later); everything else runs inside .venv.

PYTHON ?= python3
BIN    := .venv/bin
STAMP  := .venv/.prepared
WORKERS ?= 2
EVERY   ?= 60
FUZZ    := tests/esi/test_parser_properties.py tests/esi/test_expressions.py tests/assembly/test_assembler.py tests/assembly/test_hostile_pages.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-cms fuzz chaos check fmt docs lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(STAMP) ## prepare .venv with everything that tests and tools need
	@:

$(STAMP): pyproject.toml locks/dev.txt .ci/make-venv
	@PYTHON="$(PYTHON)" .ci/make-venv .venv locks/dev.txt
	@touch $@

demo: setup ## a small shop with the gateway in front of it
	@$(BIN)/weft demo $(ARGS)

test: setup ## run the tests (ARGS="-k purge" for some of them, WORKERS=0 for one process)
	@.ci/system-packages
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-cms: ## a site made by Wagtail's project template behind the gateway; an environment of its own
	@PYTHON="$(PYTHON)" .ci/make-venv .venv-cms locks/cms.txt
	@.ci/system-packages
	@.venv-cms/bin/python -m pytest tests/cms $(ARGS)

fuzz: setup ## invented pages, programs and expressions with new seeds, for SECONDS=3600
	@end=$$(( $$(date +%s) + $(or $(SECONDS),3600) )); rounds=0; while [ $$(date +%s) -lt $$end ]; do \
	    $(BIN)/python -m pytest -q -p no:cacheprovider --hypothesis-seed=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ') $(FUZZ) || exit 1; \
	    rounds=$$((rounds + 1)); \
	done; echo "$$rounds rounds, nothing found"

chaos: setup ## gateways under load, and every minute something breaks, for SECONDS=600 (EVERY=60 SEED=7 ONLY=Redis LOG=file)
	@.ci/system-packages
	@$(BIN)/python loadtests/chaos --seconds $(or $(SECONDS),600) --every $(EVERY) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only "$(ONLY)") $(if $(LOG),--log "$(LOG)")

check: setup ## format, lint, types, imports, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m gateway.settings fresh

fmt: setup ## put the code into shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: setup ## write the generated pages anew
	@$(BIN)/python -m gateway.settings write

lock: ## try the newest allowed versions and write them to locks/
	@PYTHON="$(PYTHON)" .ci/make-locks

clean: ## remove everything that a command has made
	@rm -rf .venv .venv-cms build dist .coverage* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
