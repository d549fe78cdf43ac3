# The two commands of the README: `make demo` and `make test`. Both make .venv and install into it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
ARGS ?=

.PHONY: demo test test-slow test-openrlhf openrlhf-cpu lint docs bench-nightly install-demo install-test clean

demo: install-demo
	$(BIN)/pivotgym demo $(ARGS)

test: install-test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow" $(ARGS)

# A file's tests stay in one process: what they share (a demo's run, built images, servers) is made once.
test-slow: install-test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m slow $(ARGS)

# OpenRLHF without a GPU, in an environment of its own: 4 GB, a minute or two from a warm package cache.
RL_VENV ?= .venv-openrlhf
RL_PIP := $(RL_VENV)/bin/pip --disable-pip-version-check

$(RL_VENV)/deps: requirements/openrlhf-cpu.txt requirements/openrlhf-cpu-no-deps.txt pyproject.toml
	$(PYTHON) -m venv $(RL_VENV)
	$(RL_PIP) install -q "setuptools>=77,<81" wheel packaging ninja torch==2.13.0
	$(RL_PIP) install -q -r requirements/openrlhf-cpu.txt ".[serve,train]" pytest pytest-timeout pytest-rerunfailures hypothesis
	DS_BUILD_OPS=0 DS_ACCELERATOR=cpu $(RL_PIP) install -q --no-build-isolation --no-deps -r requirements/openrlhf-cpu-no-deps.txt
	touch $@

openrlhf-cpu: $(RL_VENV)/deps
	@rm -rf build *.egg-info
	@$(RL_PIP) install -q --no-deps --no-build-isolation --force-reinstall .
	@rm -rf build *.egg-info

test-openrlhf: openrlhf-cpu
	OMP_NUM_THREADS=1 $(RL_VENV)/bin/python -m pytest tests/trainer/openrlhf_engine tests/trainer/learn/test_openrlhf_agreement.py $(ARGS)

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV) && bin/mypy --config-file ../pyproject.toml -p pivotgym

# The docs site, into site/; a warning fails it.
docs: install-demo $(VENV)/deps-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q

# The table of docs/performance.md measured anew; fails where it has become over 20 % worse.
bench-nightly: install-demo
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py --compare $(ARGS)

$(VENV)/made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PivotGym needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

# Dependencies once; the package itself anew each time, because tests and demo run against the installed package.
$(VENV)/deps-demo: $(VENV)/made pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt "setuptools>=77" wheel ".[all]"
	touch $@

$(VENV)/deps-test: $(VENV)/deps-demo
	$(PIP) install -q -c constraints.txt ".[all,dev]"
	touch $@

$(VENV)/deps-docs: $(VENV)/deps-demo
	$(PIP) install -q -c constraints.txt ".[docs]"
	touch $@

install-demo: $(VENV)/deps-demo
	@rm -rf build *.egg-info
	@$(PIP) install -q --no-deps --no-build-isolation --force-reinstall .
	@rm -rf build *.egg-info

install-test: $(VENV)/deps-test
	@rm -rf build *.egg-info
	@$(PIP) install -q --no-deps --no-build-isolation --force-reinstall .
	@rm -rf build *.egg-info

clean:
	rm -rf $(VENV) $(RL_VENV) build site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
