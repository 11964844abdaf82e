"""A trained model: it predicts rows or one row, is calibrated, explained and bound to its libraries."""
