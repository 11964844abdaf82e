"""What the `mlops` command line does, one file per command; `cli.py` only parses arguments and prints errors."""
