"""The offline executor: history in, feature vectors out, with Polars and NumPy."""
