"""`python -m benchmarks.rollback`: from the command to the last answer of the bad version."""
