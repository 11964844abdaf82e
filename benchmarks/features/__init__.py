"""`python -m benchmarks.features`: the offline executor against pandas and DuckDB."""
