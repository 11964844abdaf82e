"""The former place of the embedded event log, which the `dagster.yaml` of homes made before 0.2 names."""

from mlops_assets.embedded.batched_event_log import BatchedEventLog

__all__ = ["BatchedEventLog"]
