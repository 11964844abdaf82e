"""`python -m benchmarks.false_alarms`: how often drift is alarmed where nothing happens, and where something does."""
