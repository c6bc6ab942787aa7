PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: app test test-tools check format docs wheel clean

app: $(VENV)/.app
	$(BIN)/python app.py

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
BESIDE := tests/benchmarks tests/tools

# The package, the app and the Spaces.
test: $(VENV)/.installed
	$(PYTEST) $(addprefix --ignore=,$(BESIDE))

# What is beside the package: the making of the figures and of the bundled model.
test-tools: $(VENV)/.installed
	$(PYTEST) $(BESIDE)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

wheel: $(VENV)/.installed
	$(BIN)/python -m tools.check_wheel

$(VENV)/.app: $(VENV)/.pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[app]"
	touch $@

$(VENV)/.installed: $(VENV)/.pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $(VENV)/.app $@

$(VENV)/.pip: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'trajflow needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
