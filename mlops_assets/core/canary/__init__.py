"""Judge a canary: evidence, questions, the sequential test, the verdict."""
