"""The section `alerts`: what contradicts itself is refused where it stands."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlops_assets.catalogue import PRODUCTS_FOLDER, read_spec
from mlops_assets.core.declared.alerts import Alerts
from mlops_assets.core.errors import ProductSpecError


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"own": {}}, "say with topics what it watches"),
        ({"own": {"topics": ["gossip"]}}, "Input should be 'data_quality'"),
        ({"own": {"topics": ["drift"], "above": 1, "below": 0}}, "a rule watches one side"),
        ({"own": {"topics": ["drift"], "number": "low"}}, "number is compared with above or below"),
        ({"drift": {"alarms": 2}}, "alarms is more than of_windows"),
        ({"drift": {"runbook": "javascript:alert(1) <x>"}}, "should match pattern"),
        ({"drift": {"runbook": "https://wiki/a|b"}}, "should match pattern"),
        ({"drift": {"sinks": ["On Call"]}}, "should match pattern"),
        ({"run_failure": {"above": 1}}, "is about runs and takes no above"),
        ({"drift": {"treshold": 1}}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Alerts.model_validate({"rules": rules})


def test_what_may_be_said_is_taken() -> None:
    rules = {
        "drift": {"enabled": False},
        "run_failure": {"severity": "warning", "sinks": ["mail"], "runbook": "https://wiki/runs#failed"},
        "own": {"topics": ["age", "parity"], "subject": "model", "above": 40, "alarms": 2, "of_windows": 3},
    }
    assert Alerts.model_validate({"rules": rules, "remind_hours": 6}).rules["own"].subject == "model"


def test_a_wrong_rule_names_file_line_and_key(tmp_path: Path) -> None:
    text = (PRODUCTS_FOLDER / "fraud_detection" / "defs.yaml").read_text(encoding="utf-8")
    text += "\n  alerts:\n    rules:\n      latency:\n        above: soon\n      drift: {alarms: 2}\n"
    file = tmp_path / "defs.yaml"
    file.write_text(text, encoding="utf-8")
    line = text.splitlines().index("        above: soon") + 1
    with pytest.raises(ProductSpecError) as refused:
        read_spec(file)
    assert f"{file}:{line}: alerts.rules.latency.above: " in str(refused.value)
    assert f"{file}:{line + 1}: alerts.rules.drift: " in str(refused.value)
