"""A model's golden answers: what it scored where it was trained, on rows that are made from its own thresholds.

The rows follow from the model alone, so that only the scores are stored, and no row is a person's.
"""

import json
import math
import random
import re
from collections.abc import Sequence
from itertools import islice

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.single_row import SingleRowScorer
from mlops_assets.core.model.trained_model import TrainedModel

ROWS = 8
TREES_READ = 50
"""Trees whose thresholds are used; a large model is not read to its end."""
MISSING_SHARE = 0.1
TOLERANCE = 1e-9
"""By how much another processor may answer differently, as exponential and logarithm may by their last bit."""
_SPLITS = re.compile(r"^split_feature=(.*)\n(?:.*\n)??threshold=(.*)$", re.MULTILINE)

Row = tuple[float | None, ...]


def golden_rows(model: TrainedModel) -> tuple[Row, ...]:
    """Return ROWS rows, columns as in `feature_names`: one with every feature missing, the others drawn from the
    thresholds at which the model's first trees split, and from the next numbers above them.

    The same model gives the same rows.
    """
    thresholds = _thresholds(model)
    draw = random.Random(0)  # noqa: S311 (the same rows everywhere)
    drawn = [tuple(_value(draw, thresholds[name]) for name in model.feature_names) for _ in range(ROWS - 1)]
    return ((None,) * len(model.feature_names), *drawn)


def golden_answers(model: TrainedModel) -> tuple[float, ...]:
    """Return the calibrated probabilities of the golden rows, each scored as a service scores.

    Raises: PackagingError when a score is no probability, or LightGBM fails.
    """
    scorer = SingleRowScorer(model)
    answers = tuple(scorer.score(row) for row in golden_rows(model))
    if wrong := [answer for answer in answers if not 0.0 <= answer <= 1.0]:
        raise PackagingError(f"the model answers a golden row with {wrong[0]}, which is no probability")
    return answers


def answers_to_json(answers: Sequence[float]) -> str:
    """Return answers as a text that keeps every bit, short enough for a tag."""
    return json.dumps(list(answers))


def require_golden_answers(model: TrainedModel, stored: str | None) -> None:
    """Compare the model's golden answers with those that `answers_to_json` stored; None where nothing was stored.

    Raises: PackagingError when one differs by more than TOLERANCE, or as `golden_answers` does.
    """
    answers = golden_answers(model)
    if stored is None:
        return
    expected = json.loads(stored)
    if len(expected) != len(answers):
        raise PackagingError(f"{len(expected)} golden answers are stored, {len(answers)} are expected")
    for place, (answer, right) in enumerate(zip(answers, expected, strict=True)):
        if not math.isclose(answer, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise PackagingError(
                f"golden row {place} is answered with {answer!r}; where the model was trained it was {right!r}"
            )


def _thresholds(model: TrainedModel) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [0.0] for name in model.feature_names}
    for split in islice(_SPLITS.finditer(model.booster_text), TREES_READ):
        for feature, threshold in zip(split[1].split(), split[2].split(), strict=False):
            if (place := int(feature)) < len(model.feature_names):
                found[model.feature_names[place]].append(float(threshold))
    return found


def _value(draw: random.Random, thresholds: Sequence[float]) -> float | None:
    if draw.random() < MISSING_SHARE:
        return None
    value = draw.choice(thresholds)
    return value if draw.random() < 0.5 else math.nextafter(value, math.inf)
