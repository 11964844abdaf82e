"""Tests of the embedded store's files."""
