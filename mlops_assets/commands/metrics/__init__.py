"""`mlops metrics`: numbers of the platform, for Prometheus."""
