"""How a process uses its threads."""
