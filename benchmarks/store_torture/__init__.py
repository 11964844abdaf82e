"""What an embedded online store loses or damages when its processes are killed and its disk is full."""
