"""Quality before the labels come, against what the labels show and against NannyML's CBPE."""
