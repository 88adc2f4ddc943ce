"""That a migration can be run in working hours, shown under load: `python -m bench.migrating`."""
