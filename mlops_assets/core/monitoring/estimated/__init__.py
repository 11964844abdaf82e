"""The quality of a window whose labels are not known yet: an estimate with an interval, and whether to trust it."""
