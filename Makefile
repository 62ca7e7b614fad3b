# Each target first creates .venv if needed. To use another Python: make demo PYTHON=python3.12
PYTHON ?= python3
UV = .venv/bin/uv
RUN = .venv/bin/python

# A separate environment for Ray and Slurm, because Ray needs other versions than those in requirements.lock.
ENGINES = .venv-engines/bin/python

.PHONY: demo test test-slow test-gpu test-engines check bench docs lock wheel clean

demo: .venv/installed  ## trains on synthetic leaves: ResNet18 without and with attention, and a frozen network
	$(RUN) -m leanet.train experiment=demo

test: .venv/installed  ## runs the quick tests
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not slow and not gpu" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/installed  ## runs the tests that take minutes
	$(RUN) -m pytest -m slow

test-gpu: .venv/installed  ## runs the tests that need a GPU
	$(RUN) -m pytest -q -rs tests/gpu

test-engines: .venv-engines/installed  ## runs the tests of Ray and Slurm (minutes)
	$(ENGINES) -m pytest tests/grid/test_engines.py

check: .venv/installed  ## checks style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin & darwin=$$!; .venv/bin/mypy && wait $$darwin

bench: .venv/installed  ## measures speed; docs/performance.md explains the tables
	$(RUN) benchmarks/start_up.py
	OMP_NUM_THREADS=1 $(RUN) benchmarks/colour_difference.py
	OMP_NUM_THREADS=1 $(RUN) benchmarks/training.py
	$(RUN) benchmarks/loop.py
	$(RUN) benchmarks/streaming.py
	$(RUN) benchmarks/grid_planning.py
	OMP_NUM_THREADS=1 $(RUN) benchmarks/kept_workers.py

wheel: .venv/installed  ## builds dist/leanet-*.whl, including conf/
	$(UV) build --wheel --python $(RUN)

docs: .venv/installed  ## builds the documentation site in site/
	.venv/bin/mkdocs build --strict

lock: .venv/installed  ## writes requirements.lock with the newest allowed versions, without index addresses
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --no-emit-index-url --generate-hashes \
		--group dev -o requirements.lock pyproject.toml

clean:
	rm -rf .venv .venv-engines build dist site

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
		{ echo "leanet needs Python 3.11 or 3.12; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install -q --disable-pip-version-check "uv>=0.9"
	$(UV) pip install -q --compile-bytecode --python $(RUN) -r requirements.lock
	$(UV) pip install -q --python $(RUN) --no-deps --no-build-isolation -e .
	touch .venv/installed

.venv-engines/installed: .venv/installed
	$(UV) venv -q --clear --python $(RUN) .venv-engines
	$(UV) pip install -q --compile-bytecode --python $(ENGINES) -r requirements.lock
	$(UV) pip install -q --python $(ENGINES) --no-build-isolation -e '.[ray,slurm]'
	touch .venv-engines/installed
