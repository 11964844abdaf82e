"""Drift: how far a window moved, beside how far windows of the history lie from each other."""
