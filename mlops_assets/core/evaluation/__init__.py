"""Metrics with intervals, slices, fairness, the decision threshold, and the gates that judge them."""
