"""The files of the embedded store: how they are opened, checkpointed, checked, and salvaged when they are damaged."""
