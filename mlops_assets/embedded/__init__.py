"""What makes Dagster quick on SQLite, and where its instance lies."""
