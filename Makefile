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
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | LC_ALL=C sort -t: -k1,1 | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

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
	$(BIN)/pytest -m "not slow" --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: test-slow
test-slow: $(VENV)/dev ## Run the long tests: large files, a hundred edits under load
	$(BIN)/pytest -m slow --timeout 900 -o faulthandler_timeout=2400

.PHONY: conformance
conformance: $(VENV)/dev ## Run every case of mesh policy on the mesh and on a real istiod (Go builds it once)
	@$(BIN)/delinkcious tools install --istiod
	$(BIN)/python -m tests.mesh.conformance $(ARGS)

.PHONY: test-kubernetes
test-kubernetes: $(VENV)/dev ## Run all that meets a real Kubernetes (Go builds that once: 15 minutes on 2 cores)
	$(BIN)/delinkcious tools install --kubernetes
	$(BIN)/pytest -m slow -n0 tests/integration/kubernetes tests/integration/mesh/canary/kubernetes tests/e2e/kubernetes

.PHONY: test-istiod
test-istiod: $(VENV)/dev ## Run the mesh under a real istiod (Go builds that once: 8 minutes on 2 cores)
	$(BIN)/delinkcious tools install --istiod
	$(BIN)/pytest -m slow -n0 tests/mesh/istiod
	$(BIN)/pytest -n0 --control-plane istiod $(addprefix tests/e2e/test_,smoke.py identity.py social.py news.py)
	$(BIN)/pytest -n0 --control-plane istiod tests/e2e/test_traffic.py -k 'split or under_load and not hundred'

.PHONY: image-test
image-test: $(VENV)/dev ## Make the images' files twice without a container, and run services out of them
	$(BIN)/pytest -n0 -s -m slow tests/integration/image

.PHONY: ci
ci: ## Run what the workflow `ci` runs, but for what needs containers
	bash .ci/run
	$(MAKE) chart-test
	$(MAKE) deploy-test
	$(MAKE) image-test
	$(MAKE) sbom

.PHONY: deploy-test
deploy-test: $(VENV)/dev ## Build every environment by kustomize (kubectl) and judge what comes out
	$(BIN)/pytest -n0 -m slow tests/integration/deploy

# Clusters to try it on: docs/kubernetes.md.
CLUSTERS := $(BIN)/python -m deploy.clusters

.PHONY: kind-up
kind-up: $(VENV)/dev ## Make a kind cluster with Istio, install everything and try it (docker, kind, kubectl, helm)
	$(CLUSTERS) kind up

.PHONY: kind-down
kind-down: $(VENV)/dev ## Delete the kind cluster with all that it holds
	$(CLUSTERS) kind down

.PHONY: minikube-up
minikube-up: $(VENV)/dev ## Make a minikube cluster with Istio, install everything and try it (docker, minikube, kubectl, helm)
	$(CLUSTERS) minikube up

.PHONY: minikube-down
minikube-down: $(VENV)/dev ## Delete the minikube cluster with all that it holds
	$(CLUSTERS) minikube down

.PHONY: kind-canary
kind-canary: $(VENV)/dev ## Let a rollout of `links` be promoted by evidence on the kind cluster
	$(CLUSTERS) kind canary

.PHONY: kind-report
kind-report: $(VENV)/dev ## Write down what the kind cluster's pods say, into .artefacts/kind
	$(CLUSTERS) kind report

.PHONY: function
function: ## Package the link checker as a Nuclio function, into .artefacts/function
	rm -rf .artefacts/function
	deploy/nuclio/package.sh .artefacts/function

.PHONY: sbom
sbom: $(VENV)/dev ## List what each image has beside Debian, as CycloneDX, into .artefacts
	mkdir -p .artefacts
	for image in app load canary; do $(BIN)/cyclonedx-py requirements deploy/image/$$image.lock --output-reproducible \
		-o .artefacts/sbom-$$image.cdx.json; done

.PHONY: chart-test
chart-test: $(VENV)/dev ## Judge the chart's every combination of values, and break it on purpose (2 minutes)
	$(BIN)/python -m tests.chart
	$(BIN)/pytest -m slow -n0 tests/unit/chart tests/integration/chart

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

.PHONY: bench-mesh
bench-mesh: $(VENV)/dev ## Measure edits of the mesh on both control planes, translation and memory (ARGS="--edits 50")
	$(BIN)/python -m tests.bench.mesh $(ARGS)

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
proto: $(VENV)/dev ## Generate the messages of the gRPC interfaces
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. services/news/proto/news.proto mesh/local/istiod/proto/sds.proto

# `make lock UPGRADE=--upgrade` takes the newest versions that pyproject.toml allows; else what is locked stays.
UPGRADE :=
LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	$(UPGRADE)
# Of django-htmx the images have its static files; nothing imports Django, which is as large as all services.
NOT_IN_IMAGES := --no-emit-package django --no-emit-package asgiref --no-emit-package sqlparse

.PHONY: lock
lock: $(VENV)/dev ## Resolve the dependencies of pyproject.toml into the lock files
	$(LOCK) --extra install pyproject.toml -o requirements.lock
	$(LOCK) --extra install --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	for image in app load canary function; do $(LOCK) --group image-$$image -c requirements-dev.lock $(NOT_IN_IMAGES) \
		-o deploy/image/$$image.lock; done

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
