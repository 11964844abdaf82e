"""`python -m benchmarks.serving`: a served bento against servers that only predict."""
