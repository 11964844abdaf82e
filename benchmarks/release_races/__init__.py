"""`python -m benchmarks.release_races`: two writers of a release at the same instant, killed between writes."""
