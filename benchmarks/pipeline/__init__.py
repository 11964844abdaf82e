"""`python -m benchmarks.pipeline`: the retrain path through Dagster against a plain script."""
