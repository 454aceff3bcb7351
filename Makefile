# Everything a newcomer, a developer and CI type. Needs Python 3.11 or newer, pip and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
# A `store/` folder of the user's own must not be imported in place of ours.
ADVISOR := PYTHONSAFEPATH=1 $(BIN)/softmax-advisor

.DEFAULT_GOAL := help
.PHONY: help install demo test soak lint audit format docs serve bench clean
TEST_WORKERS ?= 2

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r target words; do printf 'make %-9s%s\n' "$$target" "$$words"; done

install: $(VENV)/dev.stamp  ## Make the venv in .venv and install everything, developer tools too
	@echo 'Installed: $(BIN)/softmax-advisor'

demo: $(VENV)/runtime.stamp  ## Install, calibrate a real sample task, print the ranking, write the report
	$(ADVISOR) demo

test: $(VENV)/dev.stamp  ## Install and run the whole test suite, file by file over TEST_WORKERS=2
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

soak: $(VENV)/dev.stamp  ## Kill, lock, fill and fuzz the service again and again (30 to 45 minutes, alone on the machine)
	$(BIN)/python -m pytest -q -p no:xdist -m soak --durations=0

lint: $(VENV)/dev.stamp  ## Check style, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit

# Where the database is out of reach, that is said and nothing fails; known to it are old versions.
KNOWN_BAD := https://pypi.org/pypi/urllib3/1.26.0/json
audit: $(VENV)/dev.stamp  ## Look up known vulnerabilities of the pinned packages
	@if $(BIN)/python -c 'import json, urllib.request as r; \
	json.load(r.urlopen("$(KNOWN_BAD)", timeout=5))["vulnerabilities"][0]' 2>/dev/null; \
	then $(BIN)/pip-audit --disable-pip --no-deps --progress-spinner off -r constraints.txt; \
	else echo 'Not audited: the database of vulnerabilities at pypi.org cannot be reached from here.'; fi

format: $(VENV)/dev.stamp  ## Put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/runtime.stamp  ## Write docs/theory.md from the cards
	$(BIN)/python -P -c 'from pathlib import Path; from advisor.catalogue import known_losses; \
	from advisor.theory_page import theory_markdown; \
	Path("docs/theory.md").write_text(theory_markdown(known_losses()), encoding="utf-8")'

serve: $(VENV)/runtime.stamp  ## Start the HTTP service on this machine
	$(ADVISOR) serve

# With DATA=folder all eight tasks whose data lies there, else the sample alone.
bench: $(VENV)/dev.stamp  ## Time losses and reading, train every setting to the horizon, confirm answers (hours)
	mkdir -p artifacts
	$(BIN)/python -m benchmarks.losses --json artifacts/losses.json
	$(BIN)/python -m benchmarks.metrics --json artifacts/metrics.json
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.service --json artifacts/service.json
	$(BIN)/python -m benchmarks.workers --json artifacts/workers.json
	$(BIN)/python -m benchmarks.page --json artifacts/page.json
	$(BIN)/python -P -c 'from pathlib import Path; from profiler.samples import fetch; fetch("ml-100k", Path("artifacts"))'
	$(BIN)/python -m benchmarks.ground_truth --work artifacts/ground-truth \
		--data $(or $(DATA),artifacts) $(if $(DATA),,--only ml100k)
	$(PIP_INSTALL) -e '.[bench]'
	$(if $(DATA),$(BIN)/python -m benchmarks.gradients --data $(DATA))
	$(BIN)/python -m benchmarks.study
	$(BIN)/python -m benchmarks.regret --json artifacts/regret.json
	$(BIN)/python -m benchmarks.confirm --data $(or $(DATA),artifacts) \
		$(if $(DATA),,--only ml100k) --json artifacts/confirm.json

clean:  ## Remove the venv and all caches; stored results stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: written when a step is complete, so an interrupted installation starts again.
$(VENV)/created.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Softmax Advisor needs Python 3.11 or newer, and '$(PYTHON)' is not." >&2; \
	echo "Name one that is, for example: make install PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runtime.stamp: pyproject.toml constraints.txt | $(VENV)/created.stamp
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/created.stamp
	$(PIP_INSTALL) -e '.[dev]'
	@touch $(VENV)/runtime.stamp $@
