# `make help` lists every word. CI and people use the same ones.
SHELL := /bin/bash
PYTHON ?= python3
PIPELINE ?= bike_demand
PYTEST ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export UV_SYSTEM_CERTS := 1

.DEFAULT_GOAL := help
.PHONY: help setup images demo mlflow stop up down backup restore upgrade doctor release bundle test faults check bench format lock schemas clean

help: ## list these words
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## the virtual environment, from the lock

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Slipway needs Python 3.11 to 3.13, %s is %s: make PYTHON=python3.13 …" % (sys.executable, sys.version.split()[0]))'
	@echo "setting up $(VENV) from requirements.txt …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement images/base/requirements.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

images: $(READY) ## build the job images that changed (IMAGE=model for one)
	@$(BIN)/python images/build.py $(IMAGE)

demo: $(READY) ## ingest, train, promote and predict one pipeline (PIPELINE=breast_cancer for another)
	@$(BIN)/slipway demo $(PIPELINE)

mlflow: $(READY) ## start MLflow and leave it up
	@$(BIN)/slipway mlflow

stop: $(READY) ## stop MLflow and what jobs left (VOLUMES=1: remove lake and tracking data too)
	@$(BIN)/slipway stop $(if $(VOLUMES),--volumes)

up: $(READY) ## start the stack: PostgreSQL, a store, MLflow, Airflow; what runs as it should is left alone
	@$(BIN)/slipway up

down: $(READY) ## stop the stack when its tasks have ended (VOLUMES=1: remove its data too)
	@$(BIN)/slipway down $(if $(VOLUMES),--volumes)

backup: $(READY) ## save the stack's databases, bucket and secrets (FOLDER=… for another place than backups/)
	@$(BIN)/slipway backup $(FOLDER)

restore: $(READY) ## fill an empty stack from a backup and start it (FOLDER=backups/…)
	@test -n "$(FOLDER)" || { echo "name the backup: make restore FOLDER=backups/…" >&2; exit 64; }
	@$(BIN)/slipway restore $(FOLDER)

upgrade: $(READY) ## back up, then bring the databases to the versions of this checkout
	@$(BIN)/slipway upgrade

doctor: $(READY) ## look the stack over; each line says what to do
	@$(BIN)/slipway doctor

release: $(READY) ## push the images that were built and write their digests into images/images.lock (REGISTRY=…)
	@$(BIN)/slipway release --registry "$(REGISTRY)"

bundle: $(READY) ## write dist/: what an Airflow of yours mounts (LOCAL=1: with this machine's builds)
	@$(BIN)/slipway bundle $(if $(LOCAL),--local)

test: $(READY) ## all tests; those with containers are skipped, with the reason, where no engine answers
	@$(BIN)/python tests/run_all.py $(PYTEST)

faults: $(READY) ## kill workers, schedulers, writers and MLflow, fifty rounds (ROUNDS=… for another number)
	@SLIPWAY_FAULT_ROUNDS=$(or $(ROUNDS),50) SLIPWAY_FAULT_PAUSED=$(or $(ROUNDS),20) SLIPWAY_FAULT_KILLED=$(or $(ROUNDS),100) \
		SLIPWAY_FAULT_AWAY_SECONDS=60 SLIPWAY_FAULT_MEGABYTES=100 $(BIN)/python -m pytest tests/faults --timeout 3600 $(PYTEST)

check: $(READY) ## format, lint, types, Dockerfiles, compose, workflow, secrets, YAML, pipelines, schemas
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/hadolint images/*/Dockerfile
	@$(BIN)/yamllint --strict .
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows docs/pipelines-ci.yml
	@$(BIN)/zizmor --offline --quiet docs/pipelines-ci.yml
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --exclude-files '^tests/' --exclude-secrets '^(slipway_secrets|Secrets|scram-sha-256)$$'
	@$(BIN)/python -m jobs.schemas --check
	@$(BIN)/python -m slipway.pipeline_schema --check
	@$(BIN)/check-jsonschema --schemafile dags/pipelines/schema.json dags/pipelines/*.yaml
	@$(BIN)/slipway check

format: $(READY) ## format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

lock: $(READY) ## renew every lock and the hashes in images/images.lock
	@$(BIN)/python images/lock.py

schemas: $(READY) ## renew job.yaml parameters and the pipelines' schema from the jobs' models
	@$(BIN)/python -m jobs.schemas --write
	@$(BIN)/python -m slipway.pipeline_schema --write

clean: ## remove the virtual environment and what this checkout built, but no data
	rm -rf $(VENV) .slipway/logs .slipway/bin images/images.local.json

bench: $(READY) ## ratios of time and memory against named baselines
	@$(BIN)/python bench/ingest.py
	@$(BIN)/python bench/overhead.py
	@$(BIN)/python bench/unchanged.py
