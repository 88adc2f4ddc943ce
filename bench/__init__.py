"""What opt-outs cost, measured: `python -m bench`."""
