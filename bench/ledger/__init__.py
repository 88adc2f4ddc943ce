"""What row audits and the sealed ledger cost, measured: `python -m bench.ledger`."""
