"""`mlops alerts`."""
