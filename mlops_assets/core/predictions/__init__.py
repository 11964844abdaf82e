"""Captured and batch-scored predictions as tables."""
