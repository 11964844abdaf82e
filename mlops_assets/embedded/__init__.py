"""What the embedded setup runs on one machine: Dagster quick on SQLite, its web UI and the reports behind a guard."""
