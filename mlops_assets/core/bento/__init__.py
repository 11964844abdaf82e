"""Build a bento, prove it in its own process, and keep or delete it."""
