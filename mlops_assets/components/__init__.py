"""From a product folder's `defs.yaml` to Dagster definitions; no logic of a stage."""
