"""Whole runs of a product's assets, one after the other, and killed ones."""
