# Everything runs in .venv, made on first use from requirements.lock. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock' --quiet

# Small tasks beside each other are faster with one native thread each than with one per core.
export OMP_NUM_THREADS ?= 1
# Without compiled modules every process of the tests and of the demo would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo lint format unit test run debug cluster generate hooks test-slow e2e nightly bench lock programs clean

# Options of the test commands: ARGS="-k name" picks tests, SEED=n shuffles them (SEED=random: as never before), JOBS=n
# processes. Tests of one file run in one process; each process has a cluster and services of its own. The order is the
# same in every run by default, so that a change does not fail by an order that no run has had before. `make test` has a
# process more than the cores of a small machine: its journeys wait for other programs a fifth of their time.
JOBS ?= 2
SEED ?= 609739107
PYTEST = $(BIN)/python -m pytest --durations=10 $(if $(filter random,$(SEED)),,--randomly-seed=$(SEED)) $(ARGS)
UNIT_TESTS := $(addprefix tests/unit/,api contracts domain fakes services worker)
SLOW_FOLDERS = $(wildcard tests/unit tests/integration tests/slow tests/upgrade)
SIDE_BY_SIDE = -n $(JOBS) --dist loadscope --no-loadscope-reorder

help:
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

demo: $(SYNCED) ## Ask, grade and retrain twins of 64,000 customers on a cluster in processes (ONLY=burst: one chapter; KEEP=1 leaves it running, STOP=1 ends that)
	@$(BIN)/python -m demo $(if $(KEEP),--keep) $(if $(STOP),--stop) $(if $(ONLY),--only $(ONLY)) $(if $(CLUSTER),--cluster $(CLUSTER))

##@ While you work on a change

lint: $(SYNCED) ## Style, types, layers, and whether CRDs, dashboards and the chart's README are as generated
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p twin_operator -p devcluster -p demo -p development -p dashboards -p benchmarks -p tests
	$(BIN)/lint-imports
	$(BIN)/python -m twin_operator.crdgen --check
	$(BIN)/python -m dashboards --check
	$(BIN)/python charts/readme.py --check
	$(BIN)/python charts/defaults.py --check
	$(BIN)/python -m tests.durations
	$(BIN)/python -m tests.plain_english

format: $(SYNCED) ## Format the code, and correct what ruff can correct
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

unit: $(SYNCED) ## Pure functions, and controllers on in-memory adapters, under a minute (COVERAGE=1 adds a table by package)
	$(PYTEST) $(SIDE_BY_SIDE) -m "not learner and not slow" --record-statuses $(if $(COVERAGE),--cov=twin_operator --cov-report=) $(UNIT_TESTS)
	$(if $(COVERAGE),@$(BIN)/python -m tests.package_coverage)
	$(if $(ARGS),,@$(BIN)/python -m tests.emitted)

test: JOBS = 3
test: $(SYNCED) programs ## Unit tests, and the essential journeys on a real control plane: minutes (ARGS="-k name" picks some)
	$(PYTEST) $(SIDE_BY_SIDE) -m "not slow and not nightly" tests/unit tests/integration

debug: $(SYNCED) ## One Simulation through the worker's code in one process, under pdb (TWIN=, QUESTIONS=: files; NAME=: which; DATA=: folder)
	@$(BIN)/python -m development.debug_simulation $(if $(TWIN),--twin $(TWIN)) $(if $(QUESTIONS),--questions $(QUESTIONS)) $(if $(NAME),--name $(NAME)) $(if $(DATA),--data $(DATA))

run: $(SYNCED) ## This working tree's operator against the current kubeconfig, in place of the release's until Ctrl-C (RELEASE=name, NAMESPACE=name)
	@$(BIN)/python -m development.run_operator $(if $(RELEASE),--release $(RELEASE)) $(if $(NAMESPACE),--namespace $(NAMESPACE))

programs: $(SYNCED)
	@$(BIN)/python -m devcluster build

cluster: $(SYNCED) ## Start the development cluster and leave it running
	$(BIN)/python -m devcluster up

generate: $(SYNCED) ## Write the CRDs in crds/ and in the chart from the models, the dashboards, and the chart's README and defaults
	$(BIN)/python -m twin_operator.crdgen
	$(BIN)/python -m dashboards
	$(BIN)/python charts/readme.py
	$(BIN)/python charts/defaults.py

hooks: $(SYNCED) ## Have git check format, style and generated files before each commit
	$(BIN)/pre-commit install

##@ Before it lands

test-slow: $(SYNCED) programs ## Kills, freezes, scaling, outages, upgrade: at most 45 minutes (RECORD=1 writes tests/durations.json)
	$(PYTEST) $(SIDE_BY_SIDE) -m slow $(if $(RECORD),--record-durations) $(SLOW_FOLDERS)

e2e: $(SYNCED) ## The built image on a kind cluster: install, helm test, journeys, upgrade, uninstall (ARGS="--kind-image ..." for pytest-kind)
	$(BIN)/python -m pytest tests/e2e -s --timeout 3600 $(ARGS)

nightly: $(SYNCED) ## What takes longer, PART=soak|chaos|fuzz|mutation|coverage|docs: at most an hour, then goes on where it stopped
	@$(BIN)/python -m tests.nightly $(PART)

bench: $(SYNCED) ## Scaling of worker pools against KEDA's rule, in simulated time: a table, in seconds
	@$(BIN)/python -m benchmarks.autoscaling

##@ Now and then

lock: $(UV) ## Resolve the dependencies again: requirements.lock for developers, -runtime.lock for the image, -uv.lock for uv
	$(COMPILE) pyproject.toml --group dev --all-extras -o requirements.lock
	$(COMPILE) pyproject.toml --all-extras --constraints requirements.lock -o requirements-runtime.lock
	$(COMPILE) --group uv -o requirements-uv.lock

clean: ## Stop the development cluster and remove what was made here (not the programs in your cache folder)
	@if [ -e $(SYNCED) ]; then $(BIN)/python -m demo --stop; $(BIN)/python -m devcluster down; fi
	rm -rf $(VENV) .run dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is missing or older than Python 3.11. Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock

# A lock file needs no resolver: everything in it is named with its version and hashes.
$(SYNCED): requirements.lock pyproject.toml | $(UV)
	@echo "Installing what requirements.lock names into $(VENV)"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
