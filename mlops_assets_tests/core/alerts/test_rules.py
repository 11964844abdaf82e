"""Rules: which hold without a line, what a declaration changes, and what they say of a finding."""

import math
from typing import Any

import pytest

from mlops_assets.core.alerts.rules import Reading, Rule, read_finding, rules_digest, rules_of
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets_tests.support.alerts.messages import finding
from mlops_assets_tests.support.product_specs import FRAUD


def rules(**declared: Any) -> dict[str, Rule]:
    document = {**FRAUD.model_dump(mode="json", exclude_unset=True), "alerts": {"rules": declared}}
    return {rule.name: rule for rule in rules_of(ProductSpec.model_validate(document))}


def test_six_rules_hold_without_a_line() -> None:
    standing = rules()
    assert list(standing) == ["check_failure", "drift", "latency", "monitors", "quality", "run_failure"]
    assert standing["quality"].topics == ("performance", "estimated_performance")
    assert (standing["quality"].subject, standing["quality"].below) == ("auc", None)
    assert (standing["latency"].subject, standing["latency"].above) == ("p99_latency_ms", 200)
    assert all(rule.runbook.startswith("docs/how-to/route-alerts.md#") for rule in standing.values())


def test_accuracy_has_a_floor_of_its_own() -> None:
    spec = FRAUD.model_copy(
        update={"evaluation": FRAUD.evaluation.model_copy(update={"primary_metric": "accuracy"})}
    )
    quality = next(rule for rule in rules_of(spec) if rule.name == "quality")
    assert (quality.subject, quality.below) == ("accuracy", 0.85)


def test_a_declaration_changes_what_it_names_and_keeps_the_rest() -> None:
    changed = rules(
        latency={"above": 50, "severity": "critical", "sinks": ["oncall"]}, drift={"enabled": False}
    )
    assert "drift" not in changed
    latency = changed["latency"]
    assert (latency.above, latency.severity, latency.sinks) == (50, "critical", ("oncall",))
    assert (latency.subject, latency.runbook) == (rules()["latency"].subject, rules()["latency"].runbook)
    assert rules(latency={"below": 1})["latency"].above is None


def test_an_own_rule_stands_beside_the_others() -> None:
    own = rules(nulls={"topics": ["data_quality"], "subject": "amount_usd", "above": 0.05, "of_windows": 3})[
        "nulls"
    ]
    assert (own.severity, own.alarms, own.of_windows) == ("warning", 1, 3)
    assert own.runbook.endswith("#a-rule-of-your-own")
    assert rules_digest([own]) != rules_digest([Rule(name="nulls", severity="warning")])


@pytest.mark.parametrize(
    ("limits", "numbers", "state"),
    [
        ({"above": 0.2}, {"value": 0.3, "low": 0.21, "high": 0.4}, "alarm"),
        ({"above": 0.2}, {"value": 0.3, "low": 0.19, "high": 0.4}, "inconclusive"),
        ({"above": 0.2}, {"value": 0.1, "low": 0.05, "high": 0.2}, "ok"),
        ({"below": 0.85}, {"value": 0.8, "low": 0.78, "high": 0.84}, "alarm"),
        ({"below": 0.85}, {"value": 0.8, "low": 0.78, "high": 0.86}, "inconclusive"),
        ({"below": 0.85}, {"value": 0.9, "low": 0.86, "high": 0.95}, "ok"),
        ({"above": 0.2}, {"value": 0.3}, "alarm"),
        ({"above": 0.2}, {"value": None}, "inconclusive"),
        ({"above": 0.2}, {"value": math.nan}, "inconclusive"),
        ({"above": 0.2}, {"value": 0.3, "low": 0.25, "high": math.nan}, "inconclusive"),
        ({"above": 200}, {"value": 100, "low": 90, "high": math.inf}, "inconclusive"),
        ({"above": 3, "number": "consequence"}, {"value": 0.1, "consequence": 4.0}, "alarm"),
    ],
)
def test_an_own_limit_alarms_where_the_whole_interval_lies_beyond(
    limits: dict[str, Any], numbers: dict[str, Any], state: str
) -> None:
    rule = Rule(name="own", severity="info", topics=("drift",), **limits)
    assert read_finding(rule, finding(state="ok", **numbers)).state == state


def test_without_a_limit_the_finding_decides() -> None:
    rule = Rule(name="drift", severity="info", topics=("drift",))
    read = read_finding(rule, finding(state="alarm", value=math.inf, limit=0.2))
    assert read == Reading("alarm", "it has moved", None, 0.2)


def test_what_monitoring_does_not_trust_alarms_under_no_limit() -> None:
    rule = Rule(name="own", severity="info", topics=("estimated_performance",), below=0.85)
    distrusted = finding(topic="estimated_performance", state="inconclusive", value=0.5, low=0.4, high=0.6)
    assert read_finding(rule, distrusted).state == "inconclusive"
    assert read_finding(rule, finding(state="inconclusive", value=0.5)).state == "inconclusive"
    measured = finding(topic="performance", state="inconclusive", value=0.5, low=0.4, high=0.6)
    assert read_finding(rule, measured).state == "alarm"
