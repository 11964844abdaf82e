"""The shared look of every picture."""
