"""Which columns and values a frame must have, what is wrong with one, and casts that lose nothing."""
