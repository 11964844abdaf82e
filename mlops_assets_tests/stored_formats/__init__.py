"""One small thing of each stored format, and what writes it."""
