"""What a store of entity states and captured records is; SQLite, Redis, and how one is loaded."""
