"""Splits, the training set, the fit, the search for hyperparameters, and the linear baseline."""
