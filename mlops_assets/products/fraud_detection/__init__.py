"""Fraud detection on card transactions: which transactions will their holders dispute."""
