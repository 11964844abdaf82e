"""Drift of how columns go together, which no single column shows."""
