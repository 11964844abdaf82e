"""Drift and performance of a window of predictions, and the pages that show them."""
