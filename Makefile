# Everything sets itself up in .venv: Python 3.11, make and git are enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
export MLOPS_HOME ?= $(CURDIR)/.mlops
export MLFLOW_DISABLE_TELEMETRY ?= true
export DO_NOT_TRACK ?= 1
# Where it is set, as in many containers, each of the many processes that the tests start would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

LOCK := deploy/requirements.lock
READY := .venv/.ready
CHECKED := mlops_assets serving benchmarks mlops_assets_tests docs deploy

.PHONY: help setup demo dev monitor serve test rehearse test-servers check lint format types imports docs lock peers peers-feast peers-mlserver peers-nannyml clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv with the locked packages

# uv installs in seconds what pip installs in minutes; where its index is not reachable, pip's own configuration is used.
# uv compiles nothing, and where PYTHONDONTWRITEBYTECODE is set, as in many containers, neither would any process after it:
# each then compiled Dagster and MLflow anew: 13 of a retraining's 126 seconds. Templates that are no Python fail, unheeded.
$(READY): $(LOCK) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make needs $(PYTHON); set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r deploy/bootstrap.lock
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --require-hashes -r $(LOCK) \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
	@touch $@

demo: setup ## Materialize both products end to end; safe to run again
	$(BIN)/mlops demo

dev: setup ## Dagster's UI on 127.0.0.1:3000 and MLflow's on :5000; Ctrl-C stops both
	$(BIN)/mlops dev

monitor: setup ## Prometheus, Alertmanager and the exporter beside `make dev`, where they are installed; Ctrl-C stops them
	$(BIN)/mlops metrics prometheus

serve: setup ## The released bento of PRODUCT (fraud_detection) on 127.0.0.1:3001; Ctrl-C stops it
	$(BIN)/mlops serve $(or $(PRODUCT),fraud_detection)

test: setup ## All tests but the rehearsals and those that need a program of Debian
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not rehearsal and not servers"

rehearse: setup ## The tests that take long: drills, runs killed at any instant, races, benchmark commands played small
	$(BIN)/python -m pytest -n 2 --dist loadfile -m rehearsal

test-servers: setup ## The tests that need a program of Debian (chromium, prometheus, prometheus-alertmanager); INSTALL=1 installs what is missing
	$(BIN)/python -m mlops_assets_tests.support.programs $(if $(INSTALL),--install)
	$(BIN)/python -m pytest -m servers

check: lint types imports docs test ## Lint, types, import contracts, docs, tests: the same in pre-commit; CI runs all tests

lint: setup ## ruff: format and rules
	$(BIN)/ruff format --check --quiet $(CHECKED)
	$(BIN)/ruff check --quiet $(CHECKED)

format: setup ## Let ruff format and mend what it can
	$(BIN)/ruff format --quiet $(CHECKED)
	$(BIN)/ruff check --quiet --fix $(CHECKED)

types: setup ## Static types
	$(BIN)/basedpyright --level error

imports: setup ## Import contracts
	$(BIN)/lint-imports

docs: setup ## The documentation's site, built strictly into site/
	$(BIN)/python docs/build_site.py

peers: peers-feast peers-mlserver peers-nannyml ## Make the environments of all peers that do not fit into .venv

peers-feast: .venv-peers-feast/.ready ## Make .venv-peers-feast with Feast, which benchmarks/online_features measures against

peers-mlserver: .venv-peers-mlserver/.ready ## Make .venv-peers-mlserver with MLServer, for benchmarks/serving

peers-nannyml: .venv-peers-nannyml/.ready ## Make .venv-peers-nannyml with NannyML and two data sets, for benchmarks/estimated_performance

.venv-peers-%/.ready: deploy/peers-%.lock | setup
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(BIN)/uv pip install --quiet --system-certs --python $(@D)/bin/python --require-hashes -r $< \
		|| $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

lock: setup ## Resolve pyproject.toml again into deploy/requirements.lock, with hashes and without a registry's name
	$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 pyproject.toml -o $(LOCK)
	echo 'feast[redis]==0.67.0' | $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --python-version 3.11 - -o deploy/peers-feast.lock
	printf 'mlserver-lightgbm==1.7.1\nlightgbm==4.7.0\n' | $(BIN)/uv pip compile --quiet --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --python-version 3.11 - -o deploy/peers-mlserver.lock
	printf 'nannyml==0.13.1\nstatsmodels\nnycflights13==0.0.3\npandas<3\nsetuptools<81\n' | $(BIN)/uv pip compile --quiet \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 - -o deploy/peers-nannyml.lock
	grep -A100 '^uv==' $(LOCK) | awk 'NR==1 || /^ /{print; next} {exit}' > deploy/bootstrap.lock

clean: ## Remove the environment, the built site and everything that was stored below $(MLOPS_HOME)
	rm -rf .venv .venv-peers-feast .venv-peers-mlserver .venv-peers-nannyml .site .cache site "$(MLOPS_HOME)"
