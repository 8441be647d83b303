# Every target sets up its virtual environment by itself; a second run finds it ready.
# PYTHON chooses the interpreter. The default one always gets .venv; another leaves a
# .venv that is not its own alone and gets .venv-VERSION beside it.
PYTHON ?= python3
SETUP = $(PYTHON) tools/setup_venv.py $(if $(filter python3,$(PYTHON)),,--beside)

.DEFAULT_GOAL := help
.PHONY: help demo test test-board fuzz docs peers clean

help:
	@echo 'make demo        a blinking LED matrix, under INDI control on localhost:7624'
	@echo 'make test        all tests, those with real programs and a real kernel included'
	@echo 'make test-board  only the tests on a kernel with simulated GPIO chips and SPI buses'
	@echo 'make docs        the documentation, in build/site; a warning is an error'
	@echo 'make fuzz        look for inputs that break a promise, for FUZZ_SECONDS (60)'
	@echo 'make peers       INDI programs of others (indipyterm, indipyserver ...), for tests and benchmarks/indi.py'
	@echo 'make clean       remove the virtual environments and everything built'
	@echo 'PYTHON=python3.13 after any of them chooses the interpreter (3.11 to 3.13).'

demo:
	@venv=$$($(SETUP)) && exec "$$venv/bin/python" tools/foreground.py "$$venv/bin/corectl" run

test:
	@tools/debian_packages.sh "$(PYTHON)" && venv=$$($(SETUP) --dev) && exec tools/test.sh "$$venv"

test-board:
	@tools/debian_packages.sh "$(PYTHON)" && venv=$$($(SETUP) --dev) && exec tools/test_board.sh "$$venv"

docs:
	@venv=$$($(SETUP) --dev) && NO_MKDOCS_2_WARNING=1 "$$venv/bin/mkdocs" build --strict && echo "The documentation: build/site/index.html"

fuzz:
	@venv=$$($(SETUP) --dev --fuzz) && exec "$$venv/bin/python" -m tests.fuzz.run

peers:
	@$(SETUP) --peers

clean:
	rm -rf .venv .venv-* build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find core plugins tests tools examples -name __pycache__ -prune -exec rm -rf {} +
