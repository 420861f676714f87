# Wegewart: the two commands of the README are `make demo` and `make test`; `make help` lists the rest.
# Nothing but Python 3.11+, Node 20.19+ and Debian (or the packages named below) is expected of the machine:
# uv comes by pip from a locked file, Debian packages by apt-get where they are missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Data sets outside the repository (docs/data.md); a clone alone works without them.
ifneq ($(wildcard ../shared/data),)
export WEGEWART_DATA ?= $(abspath ../shared/data)
endif

PYTHON ?= python3
UV := .cache/uv/bin/uv
VENV := .venv/.ready
DEMO_VENV := .demo/venv/.ready
DASHBOARD := api/wegewart_api/dashboard/static/built/.ready
NODE_MODULES := api/dashboard/node_modules/.ready
DASHBOARD_SOURCES := $(shell find api/dashboard -type f -not -path '*/node_modules/*' 2>/dev/null)
EXTRAS := inference edge api datasets train openvino s3 mlflow dev
export UV_PYTHON_DOWNLOADS := never
export UV_NO_CONFIG := 1

.PHONY: help setup demo test check format lock system dashboard clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: $(VENV) ## .venv with everything (torch included, about 6 GB)

demo: $(DEMO_VENV) $(DASHBOARD) ## the whole chain on real photographs, then keep serving (ONESHOT=1 ends after the summary)
	.demo/venv/bin/python demo/run.py $(if $(filter 1 yes true,$(ONESHOT)),--oneshot) $(if $(PORT),--port $(PORT))

test: $(VENV) system $(DASHBOARD) ## format, lint, types, import contracts, then every test
	@$(MAKE) --no-print-directory static
	.venv/bin/pytest

check: $(VENV) $(DASHBOARD) ## format, lint, types, import contracts, fast tests
	@$(MAKE) --no-print-directory static
	.venv/bin/pytest -m "not slow and not browser and not isolation and not postgres"

.PHONY: static
static:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/hadolint Dockerfile.gpu edge/Dockerfile api/Dockerfile
	cd api/dashboard && npm run --silent check

format: $(VENV) ## rewrite the code in the project's format
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

dashboard: $(DASHBOARD) ## build the dashboard's script and styles

# What the tests start for real: a PostgreSQL cluster of their own with PostGIS, and a browser.
system:
	@missing=(); \
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql); \
	compgen -G '/usr/share/postgresql/*/extension/postgis.control' >/dev/null || missing+=(postgresql-postgis); \
	command -v chromium >/dev/null || missing+=(chromium); \
	if [ $${#missing[@]} -gt 0 ]; then \
	  echo "make: installing from Debian, because the tests start them: $${missing[*]}"; \
	  run=$$( [ "$$(id -u)" = 0 ] || echo sudo ); \
	  $$run apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	fi

$(UV): requirements/uv.txt
	@echo "make: installing uv into .cache/uv (the package installer, from a locked file)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or later is needed; name it with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV): $(UV) requirements/all.txt pyproject.toml
	@echo "make: installing every dependency into .venv (torch included: about 3 GB to fetch the first time)"
	[ -x .venv/bin/python ] || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements/all.txt
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

$(DEMO_VENV): $(UV) requirements/edge.txt requirements/api.txt pyproject.toml
	@echo "make: installing the vehicle and the office into .demo/venv (no torch)"
	@mkdir -p .demo
	[ -x .demo/venv/bin/python ] || $(UV) venv --quiet --python $(PYTHON) .demo/venv
	$(UV) pip sync --quiet --python .demo/venv/bin/python --require-hashes requirements/edge.txt requirements/api.txt
	$(UV) pip install --quiet --python .demo/venv/bin/python --no-deps --editable .
	@touch $@

$(NODE_MODULES): api/dashboard/package-lock.json
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null \
	  || { echo "make: the dashboard is built with Node 20.19 or later and npm; here is $$(node --version 2>/dev/null || echo none)" >&2; exit 1; }
	@echo "make: fetching the dashboard's packages (npm ci)"
	cd api/dashboard && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(DASHBOARD): $(NODE_MODULES) $(DASHBOARD_SOURCES)
	@echo "make: building the dashboard (vite)"
	cd api/dashboard && npm run --silent build
	@touch $@

lock: $(UV) ## resolve requirements/*.txt anew: all.txt first, then each extra under its versions
	$(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
	  --python-version 3.11 --override requirements/overrides.in --all-extras pyproject.toml -o requirements/all.txt >/dev/null
	for extra in $(EXTRAS); do \
	  $(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
	    --python-version 3.11 --override requirements/overrides.in -c requirements/all.txt \
	    --extra $$extra pyproject.toml -o requirements/$$extra.txt >/dev/null; \
	done
	$(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
	  --python-version 3.11 requirements/uv.in -o requirements/uv.txt >/dev/null

clean: ## remove environments, builds and demo stores (data sets and runs stay)
	rm -rf .venv .demo .cache api/dashboard/node_modules api/wegewart_api/dashboard/static/built
