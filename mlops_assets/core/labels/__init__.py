"""Outcomes: their contract, and which of them was known when."""
