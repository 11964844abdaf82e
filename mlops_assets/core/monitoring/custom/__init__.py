"""What a product watches besides what every product does: the monitors of its own `monitors.py`."""
