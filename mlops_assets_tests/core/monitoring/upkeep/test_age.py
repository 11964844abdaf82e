"""Ages of model and data."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mlops_assets.core.monitoring.upkeep.age import data_age, model_age

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(30)]


@pytest.mark.parametrize(("maximum", "state"), [(None, "ok"), (60, "ok"), (59, "alarm")])
def test_a_model_is_too_old_only_by_a_declared_limit(maximum: int | None, state: str) -> None:
    finding = model_age(AS_OF, window_end=AS_OF + timedelta(days=60), maximum_days=maximum)
    assert (finding.state, finding.value, finding.limit, finding.cause) == (state, 60.0, maximum, None)


def test_a_window_of_before_the_models_knowledge_is_said_to_be_one() -> None:
    finding = model_age(AS_OF, window_end=AS_OF - timedelta(days=3), maximum_days=1)
    assert (finding.state, finding.value) == ("ok", -3.0)
    assert "knows what came after" in finding.reason


@pytest.mark.parametrize(("late", "state"), [(0, "ok"), (1, "ok"), (2, "alarm")])
def test_a_feed_is_stale_when_it_stays_away_longer_than_ever(late: int, state: str) -> None:
    finding = data_age(dict.fromkeys(DAYS, 5), last_day=DAYS[-1] + timedelta(days=late))
    assert (finding.state, finding.value, finding.limit) == (state, late, 1)
    assert finding.cause == ("broken" if state == "alarm" else None)


def test_a_feed_that_pauses_each_week_may_pause() -> None:
    working = {day: 5 for day in DAYS if day.weekday() < 5}
    monday = date(2024, 1, 29)
    assert data_age(working, last_day=monday - timedelta(days=1)).state == "ok"
    assert data_age(working, last_day=max(working) + timedelta(days=4)).state == "alarm"


def test_later_days_are_not_looked_at_and_a_short_history_says_so() -> None:
    counts = dict.fromkeys(DAYS, 5)
    before = data_age(counts, last_day=DAYS[20])
    assert data_age({day: n for day, n in counts.items() if day <= DAYS[20]}, last_day=DAYS[20]) == before
    assert data_age(dict.fromkeys(DAYS[:5], 5), last_day=DAYS[8]).state == "inconclusive"
    assert data_age({DAYS[9]: 5}, last_day=DAYS[8]).reason == "there was no event yet"
