"""Sections of a product's defs.yaml that are modules of their own."""
