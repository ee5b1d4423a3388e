# The steps of .ci/run in the environment .venv: `make setup` once, then `make check`, or one step by its name.
BIN := .venv/bin

.PHONY: help setup format generated lint constraints types imports docs test check
help:            ## List the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/' | expand -t 14

setup:           ## Make the environment, with exactly the pinned versions
	python3 -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[test,docs]'

format:          ## Format the code and correct what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generated:       ## Write reference pages and JSON Schemas from the code again
	$(BIN)/python -m docs.generate

lint:            ## Look at format and style; takes a second
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

constraints:     ## Compare constraints.txt with what is installed
	$(BIN)/python tests/check_constraints.py

types:           ## Check types; takes a minute
	$(BIN)/mypy

imports:         ## Check that imports go one way
	$(BIN)/lint-imports

docs:            ## Build the documentation's site in build/site
	$(BIN)/mkdocs build --strict

test:            ## Run all tests
	$(BIN)/pytest -rs

check: constraints lint types imports docs test    ## Everything that .ci/run does
