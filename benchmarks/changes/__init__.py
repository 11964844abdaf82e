"""Whether a home with a history decides as a fresh home does."""
