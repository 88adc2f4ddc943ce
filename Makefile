# A Debian-like machine with Python 3.11 or later, make and git is enough; the rest is fetched into .venv.

.PHONY: help demo test test-all lint bench bench-ledger bench-migrate chaos clean postgres go
.DELETE_ON_ERROR:

help:
	@echo "make demo    an opt-out takes hold in a real PostgreSQL, from beginning to end"
	@echo "make test    lint, types and tests, on every PostgreSQL that is here; what there is most of, by turns"
	@echo "make test-all  the same, and everything on each"
	@echo "make bench   what the policies cost, measured"
	@echo "make bench-ledger  what row audits cost, and sealing and verifying the ledger, measured beside others' ways"
	@echo "make bench-migrate  a migration guards a hundred tables under load, and what clients and a probe notice"
	@echo "make chaos   sealers are killed and the server crashes under load; the log misses nothing"
	@echo "make lint    ruff and mypy"
	@echo "make clean   remove what these commands made"

demo: .venv/installed
	@.venv/bin/rlsguard demo $(ARGS)

# `make test ARGS="-k catalog"` runs a part.
test: lint postgres go
	.venv/bin/pytest -n logical --maxprocesses 4 --by-turns $(ARGS)

test-all: lint postgres go
	.venv/bin/pytest -n logical --maxprocesses 4 $(ARGS)

lint: .venv/installed-dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

bench: .venv/installed
	.venv/bin/python -m bench $(ARGS)

# `make bench-ledger ARGS="--entries 1000000"` takes longer.
bench-ledger: .venv/installed
	.venv/bin/python -m bench.ledger $(ARGS)

# `make bench-migrate ARGS="--major 15 --tables 20 --hold 5"` is over sooner.
bench-migrate: .venv/installed
	.venv/bin/python -m bench.migrating $(ARGS)

# `make chaos ARGS="--kills 200 --crashes 20"` takes minutes.
chaos: .venv/installed
	.venv/bin/python -m bench.chaos $(ARGS)

# PostgreSQL 15 with pgaudit where it may be installed; 16 and 18 come with the virtual environment.
postgres:
	@tests/install_postgres.sh

# Go with its own transparency log, where it may be installed: tests/tlog asks what it thinks of ours.
go:
	@tests/install_go.sh

clean:
	rm -rf .venv .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml
	@tests/make_venv.sh .venv
	.venv/bin/pip install --quiet --editable '.[embedded]'
	@touch $@

.venv/installed-dev: .venv/installed
	.venv/bin/pip install --quiet --group dev
	@touch $@
