"""The online executor: one event and its entities' states in, a feature vector and the next states out."""
