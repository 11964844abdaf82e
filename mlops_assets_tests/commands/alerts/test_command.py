"""`mlops alerts`: what stands is listed, a sink is tried, what waits is sent, and a person closes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.core.alerts.declared_sinks import AlertSinks, Webhook
from mlops_assets.core.alerts.desk import AlertDesk
from mlops_assets.core.alerts.lifecycle import Key
from mlops_assets.core.alerts.outbox import FILE, LOCK, Outbox
from mlops_assets.core.errors import AlertError, ConfigurationError, PlatformError
from mlops_assets.embedded.one_at_a_time import only_one
from mlops_assets_tests.support.alerts.messages import firing
from mlops_assets_tests.support.alerts.servers import HttpSinkServer, http_sink


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    with http_sink() as server:
        monkeypatch.setenv("MLOPS_ALERT_WEBHOOK", server.address)
        yield server


def mlops(*arguments: str, code: int = 0) -> str:
    ended = CliRunner().invoke(app, arguments)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == code, ended.output
    return ended.output


def answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    return json.loads(mlops(*arguments, "--json", code=code))


def put(home: Path, subject: str = "[red]amount_usd") -> str:
    """Open an alert whose message waits for the webhook; return the alert's id."""
    desk = AlertDesk(Outbox(home / FILE), AlertSinks.of({"webhook": Webhook(kind="webhook", url="http://h")}))
    (said,) = desk.record([firing(Key("fraud_detection", "drift", subject))], now=datetime.now(UTC))
    return said.alert_id


def test_a_home_without_alerts_has_none_and_stays_as_it_is(server: HttpSinkServer, tmp_path: Path) -> None:
    assert answer("alerts", "list") == {"open": [], "waiting": [], "looked_at": None, "problems": []}
    assert mlops("alerts", "list") == "no alert is open\n"
    assert mlops("alerts", "send") == "0 of 0 delivered\n"
    assert not (tmp_path / FILE).exists()


def test_what_is_open_and_waits_is_listed_letter_by_letter(server: HttpSinkServer, tmp_path: Path) -> None:
    alert = put(tmp_path)
    listed = mlops("alerts", "list")
    assert alert[:12] in listed
    assert "[red]" in listed
    assert [one["alert_id"] for one in answer("alerts", "list")["open"]] == [alert]


def test_a_test_reaches_its_sink_marked_and_is_kept_nowhere(server: HttpSinkServer, tmp_path: Path) -> None:
    assert mlops("alerts", "test", "webhook") == "webhook: delivered\n"
    (posted,) = server.received
    assert (posted["kind"], posted["title"]) == ("test", "[info] test: test: webhook")
    server.status = 503
    assert answer("alerts", "test", "webhook", code=1) == {
        "sink": "webhook",
        "state": "down",
        "remark": "HTTP 503",
    }
    assert not (tmp_path / FILE).exists()
    with pytest.raises(AlertError, match="no sink mail: this home has log, webhook"):
        mlops("alerts", "test", "mail")


def test_what_waits_is_sent_at_once(server: HttpSinkServer, tmp_path: Path) -> None:
    put(tmp_path)
    server.status = 503
    assert "1 of 2 delivered" in mlops("alerts", "send", code=1)
    server.status = 200
    rows = answer("alerts", "send")["attempts"]
    assert [(one["sink"], one["state"]) for one in rows] == [("webhook", "delivered")]
    assert len({one["id"] for one in server.received}) == 1
    with (
        only_one(tmp_path / LOCK, what="the delivery of alerts"),
        pytest.raises(PlatformError, match="already"),
    ):
        mlops("alerts", "send")


def test_a_person_closes_an_alert_with_name_and_reason(server: HttpSinkServer, tmp_path: Path) -> None:
    alert = put(tmp_path)
    with pytest.raises(AlertError, match="names 0 open alerts"):
        mlops("alerts", "close", "no-such-alert", "--by", "ann", "--reason", "why")
    with pytest.raises(AlertError, match="8 characters or more"):
        mlops("alerts", "close", alert[:7], "--by", "ann", "--reason", "why")
    with pytest.raises(ConfigurationError, match="not shown"):
        mlops("alerts", "close", alert, "--by", "ann", "--reason", "two\nlines")
    assert "resolved: fraud_detection" in mlops(
        "alerts", "close", alert[:8], "--by", "ann", "--reason", "the day is not needed"
    )
    mlops("alerts", "send")
    assert [one["kind"] for one in server.received] == ["opened", "resolved"]
    assert server.received[-1]["reason"] == "closed by ann: the day is not needed"
    assert answer("alerts", "list")["open"] == []
