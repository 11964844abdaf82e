"""Numbers of the platform, for Prometheus: parts that are looked at, and the metrics of each."""
