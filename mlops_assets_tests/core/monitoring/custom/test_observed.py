"""What a monitor says becomes a finding, by its numbers and its limit."""

from datetime import date, datetime
from itertools import count
from typing import Any

import numpy as np
import pytest

from mlops_assets.core.declared.monitors import Observation
from mlops_assets.core.errors import ConfigurationError, MonitoringError
from mlops_assets.core.monitoring.custom.observed import findings_of_observations

NAN = float("nan")


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"value": 3.0, "above": 2.0}, "alarm"),
        ({"value": 2.0, "above": 2.0}, "ok"),
        ({"value": 3.0, "low": 1.0, "high": 5.0, "above": 2.0}, "inconclusive"),
        ({"value": 3.0, "low": 2.5, "high": 5.0, "above": 2.0}, "alarm"),
        ({"value": 1.0, "low": 0.5, "high": 2.0, "above": 2.0}, "ok"),
        ({"value": 1.0, "below": 2.0}, "alarm"),
        ({"value": 1.0, "low": 0.5, "high": 2.5, "below": 2.0}, "inconclusive"),
        ({"value": 3.0, "low": 2.0, "high": 4.0, "below": 2.0}, "ok"),
        ({"value": 3.0}, "ok"),
        ({"value": None, "above": 2.0}, "inconclusive"),
        ({"value": NAN, "above": 2.0}, "inconclusive"),
        ({"value": 3.0, "low": NAN, "high": NAN, "above": 2.0}, "inconclusive"),
        ({"value": float("inf"), "above": 2.0}, "inconclusive"),
        ({"value": np.float32(3), "above": np.int64(2)}, "alarm"),
        ({"value": True, "above": 0.5}, "alarm"),
    ],
)
def test_a_state_follows_from_the_numbers(said: dict[str, Any], state: str) -> None:
    (found,) = findings_of_observations("desk", Observation(**said))
    assert (found.topic, found.subject, found.state) == ("custom", "desk", state)
    assert found.cause == ("changed" if state == "alarm" else None)
    assert found.reason


def test_subjects_days_and_broken_sources_are_told() -> None:
    said = (
        Observation(
            value=1.0, above=0.5, subject=name, day=date(2026, 3, 1), is_source_broken=True, reason="odd"
        )
        for name in ("Sunday", "Monday")
    )
    found = findings_of_observations("prices", said)
    assert [one.subject for one in found] == ["prices: Sunday", "prices: Monday"]
    assert {(one.cause, one.partition, one.reason) for one in found} == {("broken", "2026-03-01", "odd")}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "NoneType"),
        (1.0, "float"),
        (["high"], "str"),
        ([Observation(value=1.0), Observation(value=2.0)], "desk twice"),
        ("high", "str"),
        (Observation(value="3"), "str where a number"),  # pyright: ignore[reportArgumentType]
        (Observation(value=1.0, above=NAN), "limit is nan"),
        ((Observation(value=1.0, subject=str(number)) for number in count()), "more than 200"),
    ],
)
def test_what_is_no_observation_is_refused(said: object, words: str) -> None:
    with pytest.raises(MonitoringError, match=words):
        findings_of_observations("desk", said)


@pytest.mark.parametrize(
    "text",
    [{"reason": "two\nlines"}, {"reason": "x" * 501}, {"subject": "a\x1b[31m"}, {"subject": "x" * 101}],
)
def test_text_is_plain_and_short(text: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        findings_of_observations("desk", Observation(value=1.0, **text))


def test_a_time_names_its_day() -> None:
    (found,) = findings_of_observations("desk", Observation(value=1.0, day=datetime(2026, 3, 1, 12)))  # noqa: DTZ001
    assert found.partition == "2026-03-01"


def test_none_is_none() -> None:
    assert findings_of_observations("desk", []) == []
