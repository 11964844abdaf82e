"""Names of Dagster's concurrency pools."""

RELEASE_POOL = "release"
"""Whatever changes a release plan runs one at a time."""
