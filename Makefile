# Everything a fresh machine needs is Python 3.11+ with pip. Each target sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PUBLISHED := .venv-published
OPTIMIZERS := .venv-optimizers

# Modules are compiled when they are imported: most of what is installed never is, and compiling all takes half a minute.
export PIP_NO_COMPILE = 1

.PHONY: plan test check slow reports readme docs reference published optimizers coverage fuzz validate clean clean-clone

plan: $(STAMP)  ## the main job, offline: does Llama-3.1-8B QLoRA fit, and on what?
	HF_HUB_OFFLINE=1 $(BIN)/anatomy plan meta-llama/Llama-3.1-8B --method qlora --r 64

test: $(STAMP)  ## the test suite, without the slow extras
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

slow: $(STAMP)  ## every test
	$(BIN)/python -m pytest -n 2

check: $(STAMP)  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

reports: $(STAMP)  ## rebuild the checked-in reports
	$(BIN)/python -m anatomy.validation.published -o reports
	HF_HUB_OFFLINE=1 HF_HOME=$(abspath $(VENV))/no-cache $(BIN)/python -m anatomy.gallery -o reports

readme: $(STAMP)  ## put the commands' real output into the README
	$(BIN)/python tests/test_readme.py

docs: $(STAMP)  ## the reference, and what commands and the notebook print
	cd docs && ../$(BIN)/python -m generator

reference: $(STAMP)  ## the reference in docs/ alone, in seconds
	cd docs && ../$(BIN)/python -m generator reference

published: $(PUBLISHED)/.installed  ## rehearse published runs with the versions that were measured
	$(PUBLISHED)/bin/python -m anatomy.validation.published --same-versions -o reports

optimizers: $(OPTIMIZERS)/.installed  ## what every optimizer takes, with every package that makes one
	PYTHONPATH=$(OPTIMIZERS) $(BIN)/anatomy optimizers -o reports/optimizers.md

coverage: $(STAMP)  ## every task and model type of transformers; run again, it goes on where it was
	HF_HUB_OFFLINE=1 $(BIN)/python -m anatomy.coverage -o reports

fuzz: $(STAMP)  ## a million broken files, kept out of CI (10 to 60 minutes)
	$(BIN)/pip install -q atheris
	$(BIN)/python tests/fuzz/guided.py --cases 1000000

validate: $(STAMP)  ## the grid that suits this machine; run again, it goes on where it was
	$(BIN)/anatomy validate

# torch first and by exact version: a looser request can pull gigabytes of GPU libraries. The packages of kernels without
# Triton (1 MB for 200): their kernels are not run here. Of axe-playwright-python the tests read the file of axe-core alone.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade "pip>=25.1"
	$(BIN)/pip install -q "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install -q -c constraints.txt -e . --group dev
	$(BIN)/pip install -q -c constraints.txt --no-deps liger-kernel cut-cross-entropy axe-playwright-python
	touch $@

# Python 3.11 or 3.12; about 3 GB to download, 6 GB on disk: torch 2.4.1's wheel does not import without CUDA's
# libraries. Where pip is pointed at CPU wheels, the constraint is met by 2.4.1+cpu, which needs none of them. anatomy
# is run from here, not installed: its own floors are higher.
$(PUBLISHED)/.installed: constraints-published.txt
	$(PYTHON) -m venv $(PUBLISHED)
	$(PUBLISHED)/bin/pip install -q -c constraints-published.txt torch transformers peft bitsandbytes accelerate numpy
	touch $@

# Beside the others' versions, not among them: what these would pull in is there already.
$(OPTIMIZERS)/.installed: $(STAMP) constraints-optimizers.txt
	$(BIN)/pip install -q --no-deps --upgrade --target $(OPTIMIZERS) -r constraints-optimizers.txt
	touch $@

clean-clone:  ## the README's commands in order, on a clean clone with an empty HOME (half an hour)
	$(PYTHON) tests/clean_clone.py

clean:
	rm -rf $(VENV) $(PUBLISHED) $(OPTIMIZERS)
