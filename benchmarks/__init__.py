"""What apc must reach and what it reaches: `python -m benchmarks`."""
