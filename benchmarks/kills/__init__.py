"""Every process of the platform killed at random, beside clients that keep what was acknowledged."""
