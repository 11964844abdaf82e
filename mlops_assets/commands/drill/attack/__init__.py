"""Drills of clients that ask for too much: their blows, and a probe of health beside them."""
