"""Served vectors against those derived offline, and why they differ."""
