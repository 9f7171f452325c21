PYTHON ?= python3
PYTHONS ?= python3.11 python3.12 python3.13
# Builds for CPUs and for CUDA have the same version, but other hashes, so that no lock names them all.
TORCH ?= torch==2.13.0
BIN := .venv/bin

.PHONY: train test docs slow sanitize coverage bench gpu lock audit pythons clean

train: .venv/ready  ## train a simultaneous translator, compare it with the baselines, watch an episode
	$(BIN)/python -m agents.train configs/simultaneous_translation_ppo.yaml
	$(BIN)/python -m agents.evaluate runs/simultaneous_translation_ppo-s0
	$(BIN)/python -m agents.enjoy runs/simultaneous_translation_ppo-s0 --episodes 1

test: .venv/ready  ## lint, types and fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
# One thread a process: two processes with two threads each would wait for each other's threads.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

docs: .venv/ready  ## the documentation site, in docs/_build/html; needs no network
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	PYTHONPATH=docs $(BIN)/python -m lm_envs_docs.checks docs/_build/html

slow: .venv/ready  ## long proofs: full view agreement, kill test
	$(BIN)/python -m pytest -m slow --timeout 3600

sanitize: .venv/ready  ## the C++ kernels under AddressSanitizer and UndefinedBehaviorSanitizer
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/proofs/test_kernels.py -m slow --timeout 3600

coverage: .venv/ready  ## the share of lm_envs that the fast tests run: statements and branches
	$(BIN)/python -m pip install --quiet pytest-cov
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --cov --cov-fail-under 92 --cov-report term:skip-covered

bench: .venv/ready  ## tokens per second, side by side
	$(BIN)/python -m benchmarks throughput

gpu:  ## checks and measurements on one CUDA device; needs no .venv: make gpu GPU="--wheels DIR --minutes 8"
	$(PYTHON) -m benchmarks gpu $(GPU)

lock: .venv/ready  ## write the hashes of the versions in requirements.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m tests.supply.lock $(BIN)/uv

audit: .venv/ready  ## look for known vulnerabilities of the installed packages
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --strict --skip-editable

pythons:  ## install the lock and run a part of the tests with each of PYTHONS that is installed
	$(PYTHON) -m tests.supply.pythons "$(TORCH)" $(PYTHONS)

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lm_envs needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.txt
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	$(BIN)/python -m pip check
# PyTorch for CUDA brings Triton; elsewhere its interpreter is installed to test the kernels.
	$(BIN)/python -c "import triton" 2>/dev/null || test "$$(uname -sm)" != "Linux x86_64" || $(BIN)/python -m pip install --quiet --no-deps triton==3.9.0 || echo "Triton is not available; the tests of its kernels are skipped"
	touch $@

clean:
	rm -rf .venv runs docs/_build docs/_static/episodes docs/api docs/environments docs/learn docs/results/gallery.md
