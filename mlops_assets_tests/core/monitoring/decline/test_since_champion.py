"""Evidence for one window after the other of a run."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.decline.evidence import Evidence
from mlops_assets.core.monitoring.decline.since_champion import DeclineOfChampion
from mlops_assets.core.product_spec import Monitoring, ProductSpec
from mlops_assets_tests.support.product_specs import COHORT, FRAUD

INTERVALS = {"auc": (0.83, 0.82, 0.84)}


def _outcomes(label: str, days: int, *, noise: float) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    score = generator.beta(0.5, 2, 300 * days)
    labels = (generator.random(300 * days) < score).astype(np.int8)
    score = np.where(generator.random(300 * days) < noise, generator.permutation(score), score)
    first = date(2024, 1, 1)
    known = [first + timedelta(days=day) for day in range(days) for _ in range(300)]
    return pl.DataFrame({label: labels, "score": score, "known_date": known})


def _by_week(spec: ProductSpec, outcomes: pl.DataFrame) -> list[Evidence | None]:
    decline = DeclineOfChampion(spec, INTERVALS)
    first = date(2024, 1, 1)
    return [
        decline.evidence(outcomes.filter(pl.col("known_date") < first + timedelta(weeks=week)))
        for week in range(1, 9)
    ]


def test_a_model_that_has_become_worse_is_found_in_time_and_a_good_one_is_not():
    spec = FRAUD.model_copy(update={"monitoring": Monitoring(minimum_rows=1000)})
    worse = _by_week(spec, _outcomes("is_fraud", 56, noise=0.3))
    assert worse[-1] is not None
    assert worse[-1].is_found
    assert worse[0] is not None
    assert not worse[0].is_found
    good = _by_week(spec, _outcomes("is_fraud", 56, noise=0.0))
    assert not any(one and one.is_found for one in good)


def test_windows_one_after_the_other_say_what_each_would_alone():
    spec = FRAUD.model_copy(update={"monitoring": Monitoring(minimum_rows=1000)})
    outcomes = _outcomes("is_fraud", 56, noise=0.1)
    assert _by_week(spec, outcomes)[-1] == DeclineOfChampion(spec, INTERVALS).evidence(outcomes)


def test_without_a_time_axis_outcomes_or_a_test_value_there_is_no_evidence():
    outcomes = _outcomes("is_fraud", 20, noise=0.0)
    assert DeclineOfChampion(COHORT, INTERVALS).evidence(outcomes.rename({"is_fraud": "died"})) is None
    assert DeclineOfChampion(FRAUD, INTERVALS).evidence(outcomes.head(0)) is None
    assert DeclineOfChampion(FRAUD, {}).evidence(outcomes) is None
