"""Delta tables by UTC day: read, replace, append, retain."""
