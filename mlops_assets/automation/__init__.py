"""Schedules and sensors: a pure decision function plus a thin Dagster wrapper each."""
