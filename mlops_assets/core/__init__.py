"""The platform's own logic over Polars frames and frozen dataclasses: no Dagster, no web framework, no wall clock."""
