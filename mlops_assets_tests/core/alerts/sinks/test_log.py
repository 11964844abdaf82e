"""The log as a sink."""

import logging

import pytest

from mlops_assets.core.alerts.sinks.log import LogSink
from mlops_assets_tests.support.alerts.messages import message


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({"severity": "critical"}, logging.ERROR),
        ({"severity": "warning"}, logging.WARNING),
        ({"severity": "critical", "kind": "resolved"}, logging.INFO),
    ],
)
def test_a_message_is_one_line_of_its_severity(
    given: dict[str, str], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mlops_assets")
    assert LogSink().send(message(**given, reason="two\nlines", link="http://ui")).state == "delivered"
    (record,) = caplog.records
    assert record.levelno == level
    assert "fraud_detection: drift: amount_usd: two lines (since" in record.getMessage()
    assert "link http://ui" in record.getMessage()
