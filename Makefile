# `make demo` and `make test` need Python 3.11+ (with venv), git and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test format lint types unit coverage faults bench lock clean soak pictures

demo: .venv/ready
	$(BIN)/kyc-bot demo $(if $(ONCE),--once)

test: lint types unit

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-index --no-build-isolation --no-deps -e .
	touch $@

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/mypy

unit: .venv/ready
	$(BIN)/pytest -n 6 --dist worksteal -rs

# The same tests with their branch coverage, which makes the pure ones twice as slow.
coverage: .venv/ready
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n 6 --dist worksteal -rs
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Every fault, where `make unit` plays a sample; kills at commits need `strace`. About a quarter of an hour.
faults: .venv/ready
	$(BIN)/pytest -q -s --all-faults tests/faults

# Bounds of seconds, such as a stop within ten: one test at a time, on a machine that does nothing else.
bench: .venv/ready
	$(BIN)/pytest -s --benchmarks

# Needs `uv`; the lock carries hashes and no host.
lock:
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .coverage .coverage.* .mypy_cache .ruff_cache build *.egg-info

# A mixed load with faults and kills for so many minutes, and a table of what came of it.
soak: .venv/ready
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10)

# Photographs everything the bot says, as far as it has changed, for docs/pictures.md; needs `chromium` and `fonts-lato`.
pictures: .venv/ready
	$(BIN)/python -m tests.pictures
