"""`python -m benchmarks.parity`: served vectors against offline ones, bit for bit."""
