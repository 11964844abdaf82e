"""Dagster resources: the lakehouse and the tracking server; the only importer of dagster-mlflow."""
