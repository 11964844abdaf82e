"""What is measured, against which peer: one command per claim, `python -m benchmarks.NAME`."""
