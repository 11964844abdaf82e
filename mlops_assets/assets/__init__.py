"""Thin asset factories, one file per stage of the story: read, call core, write, return metadata."""
