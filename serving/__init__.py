"""The serving plane: a BentoML service over core and products; no Dagster."""
