"""The Dagster side of alerts: what failed there, and the sensor that evaluates the rules and delivers."""
