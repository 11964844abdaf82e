"""`python -m benchmarks.online_features`: one request's features against Feast's precomputed values."""
