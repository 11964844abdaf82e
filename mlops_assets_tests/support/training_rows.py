"""A small training set with a known signal, for tests of fitting and of what is fitted."""

import numpy as np
import polars as pl

FEATURES = ("signal", "opposite", "gappy", "noise")
LABEL = "is_event"


def training_rows(rows: int = 3000, *, seed: int = 0) -> pl.DataFrame:
    """P(event) rises with `signal`, falls with `opposite`; a fifth of `gappy` is null; `noise` is noise."""
    generator = np.random.default_rng(seed)
    signal, opposite, gappy = generator.normal(size=(3, rows))
    probability = 1 / (1 + np.exp(-(2 * signal - opposite - 1.5)))
    return pl.DataFrame(
        {
            "row_id": np.arange(rows),
            "signal": signal,
            "opposite": opposite,
            "gappy": pl.Series(gappy).set(pl.Series(generator.random(rows) < 0.2), None),
            "noise": generator.integers(0, 50, rows),
            LABEL: (generator.random(rows) < probability).astype(np.int8),
            "split": np.array(["train", "train", "train", "validation", "test"])[np.arange(rows) % 5],
        }
    )
