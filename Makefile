# Needs Python >= 3.11 and make; everything else comes from package registries into .venv.
PYTHON ?= python3
# Tests run in so many processes.
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/sh
.SHELLFLAGS := -ec
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

.PHONY: up
up: $(VENV)/runtime ## Start everything on this machine and say where it is
	@$(BIN)/delinkcious up

.PHONY: up-kubernetes
up-kubernetes: $(VENV)/dev ## Start everything on a Kubernetes of this machine (Go builds that once: 15 minutes)
	@$(BIN)/delinkcious tools install --kubernetes
	@$(BIN)/delinkcious up --kubernetes

.PHONY: down
down: ## Stop what `make up` started; the data stay
	@if [ -x $(BIN)/delinkcious ]; then $(BIN)/delinkcious down; fi

.PHONY: test
test: $(VENV)/dev ## Run the tests (23 minutes on 2 cores)
	$(BIN)/pytest -m "not slow" --numprocesses $(JOBS) --dist loadfile

.PHONY: test-slow
test-slow: $(VENV)/dev ## Run the long tests: large files, a hundred edits under load
	$(BIN)/pytest -m slow --timeout 900 -o faulthandler_timeout=2400

.PHONY: test-kubernetes
test-kubernetes: $(VENV)/dev ## Run all that meets a real Kubernetes (Go builds that once: 15 minutes on 2 cores)
	$(BIN)/delinkcious tools install --kubernetes
	$(BIN)/pytest -m slow -n0 tests/integration/kubernetes tests/integration/mesh/canary/kubernetes tests/e2e/kubernetes

.PHONY: chart-test
chart-test: $(VENV)/dev ## Judge the chart's every combination of values, and break it on purpose (2 minutes)
	$(BIN)/python -m tests.chart

.PHONY: lint
lint: $(VENV)/dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: bench
bench: $(VENV)/dev ## Measure each layer against the bare process, in one run
	$(BIN)/python -m tests.bench

.PHONY: bench-telemetry
bench-telemetry: $(VENV)/dev ## Measure what traces, metrics and logs cost, in one run
	$(BIN)/python -m tests.bench.telemetry

.PHONY: bench-floors
bench-floors: $(VENV)/dev ## Measure the floor of each hop alone against the whole, and the goals
	$(BIN)/python -m tests.bench.floors

.PHONY: bench-check
bench-check: $(VENV)/dev ## Fail when a layer costs 15 % more than its budget
	$(BIN)/python -m tests.bench.check

.PHONY: bench-scale
bench-scale: $(VENV)/dev ## Compare lists, searches and news at a thousand and at a million links
	$(BIN)/python -m tests.bench.scale

.PHONY: zero-downtime
zero-downtime: $(VENV)/dev ## Count the requests that fail while things are restarted, changed or killed
	$(BIN)/python -m tests.downtime

.PHONY: bench-canary
bench-canary: $(VENV)/dev ## Measure what a rollout's decision promises, in a simulated service (ARGS="--seed 2")
	$(BIN)/python -m tests.bench.canary $(ARGS)

.PHONY: bench-capacity
bench-capacity: $(VENV)/dev ## Measure the capacity curve that the README shows
	$(BIN)/python -m tests.bench.capacity

.PHONY: bench-start
bench-start: $(VENV)/dev ## Measure how soon a second start is of use, and what everything takes when idle
	$(BIN)/python -m tests.bench.start

.PHONY: render
render: $(VENV)/dev ## Render the chart for the local mesh, and the table of its values
	$(BIN)/python -m delinkcious.chart

.PHONY: crd
crd: $(VENV)/dev ## Make the definition of the kind Rollout for Kubernetes
	$(BIN)/python -m mesh.canary.kubernetes.crd helm/delinkcious/crds/rollouts.yaml

.PHONY: slo
slo: $(VENV)/dev ## Make rules, alerts, dashboards and their page of the objectives
	$(BIN)/python -m telemetry.slo
	$(BIN)/python -m telemetry.grafana

.PHONY: clean
clean: down ## Stop everything and delete the environment and the local data
	@for state in .delinkcious-*/; do if [ -x $(BIN)/delinkcious ] && [ -d $$state ]; then $(BIN)/delinkcious down --state $$state; fi; done
	rm -rf $(VENV) .delinkcious .delinkcious-*

.PHONY: proto
proto: $(VENV)/dev ## Generate the messages of the gRPC interface
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. services/news/proto/news.proto

.PHONY: lock
lock: $(VENV)/dev ## Resolve the dependencies of pyproject.toml into the two lock files
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra install pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra install --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

# The certificate of a local installation, as `delinkcious ca` names it, is none for the registry that pip asks.
OWN_CA := CURL_CA_BUNDLE REQUESTS_CA_BUNDLE SSL_CERT_FILE
OWN_CA := $(foreach name,$(OWN_CA),$(if $(filter %/edge/ca.pem,$($(name))),-u $(name)))
PIP_INSTALL := env $(OWN_CA) $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, this is " + sys.version.split()[0] + "; say which by: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what runs (about a minute, once) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/runtime
	@echo "Installing what tests and checks (about a minute, once) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@
