"""A window in one line: broken before worse before changed."""

from dataclasses import replace

from mlops_assets.core.declared.alerts import Topic
from mlops_assets.core.monitoring.pages.headline import TOPICS, by_topic, headline, ranked, worst_columns
from mlops_assets_tests.support.documents.judged_windows import (
    drift_finding,
    fault_finding,
    performance_finding,
)

DRIFT = drift_finding("amount_usd", state="alarm", moved=0.4)
LOSS = performance_finding("alarm")
FAULT = fault_finding("amount_usd", "2018-05-30")
FINE = drift_finding("nights")
OPEN = performance_finding("inconclusive")


def test_a_broken_source_is_said_before_a_loss_and_a_loss_before_drift() -> None:
    assert headline([FINE, DRIFT, LOSS, FAULT]).words == (
        "Broken: amount_usd (2018-05-30). Mend the source first; 1 loss of quality beside it"
    )
    assert headline([FINE, DRIFT, LOSS]).words == "Quality fell: average_precision"
    assert headline([FINE, DRIFT]).words == "Changed: amount_usd; no loss of quality is shown"
    assert {headline(found).state for found in ([FAULT], [LOSS], [DRIFT])} == {"alarm"}


def test_what_is_open_is_neither_an_alarm_nor_well() -> None:
    assert headline([FINE, OPEN]).state == "inconclusive"
    assert headline([FINE, OPEN]).words == "No alarm; 1 of 2 questions cannot be answered yet"
    assert headline([FINE]).state == "ok"
    assert headline([]).state == "inconclusive"


def test_many_subjects_are_counted() -> None:
    many = [drift_finding(f"column_{place}", state="alarm", moved=0.9 - 0.1 * place) for place in range(5)]
    assert headline(many).words.startswith("Changed: column_0, column_1, column_2 and 2 more")


def test_the_larger_consequence_comes_first_and_an_unknown_one_last() -> None:
    unknown = replace(DRIFT, subject="unknown", consequence=None)
    assert ranked([FINE, unknown, DRIFT, OPEN, LOSS, FAULT]) == (FAULT, LOSS, DRIFT, unknown, OPEN, FINE)


def test_worst_columns_are_those_that_moved_and_have_a_number() -> None:
    without = replace(DRIFT, subject="empty", value=None)
    assert worst_columns([FINE, LOSS, without, DRIFT], 3) == (DRIFT, FINE)
    assert worst_columns([FINE, DRIFT], 1) == (DRIFT,)


def test_every_topic_has_a_title_and_only_those_with_findings_are_shown() -> None:
    assert set(TOPICS) == set(Topic.__args__)  # pyright: ignore[reportAttributeAccessIssue]
    assert list(by_topic([DRIFT, LOSS])) == ["performance", "drift"]
