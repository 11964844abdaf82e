"""What the monitoring reports have in common: the windows that they look at, and their pages."""
