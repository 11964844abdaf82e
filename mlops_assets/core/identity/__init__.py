"""What code, which libraries and which inputs made a result, as digests that can be compared."""
