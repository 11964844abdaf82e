"""`python -m benchmarks.canary`: how often a harmless canary is rolled back, and how soon a harmful one."""
