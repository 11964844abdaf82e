"""The desk: what comes in goes out, and the other sinks hear of one that is down."""

from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.core.alerts.declared_sinks import AlertSinks, Webhook
from mlops_assets.core.alerts.desk import AlertDesk
from mlops_assets.core.alerts.outbox import FILE, Outbox
from mlops_assets_tests.support.alerts.messages import NOON, firing
from mlops_assets_tests.support.alerts.servers import http_sink


def test_the_others_are_told_once_of_a_sink_that_is_down_and_once_that_it_is_back(tmp_path: Path) -> None:
    with http_sink() as works, http_sink() as broken:
        broken.status = 503
        declared = {
            name: Webhook(kind="webhook", url=one.address) for name, one in (("a", works), ("b", broken))
        }
        desk = AlertDesk(Outbox(tmp_path / FILE), AlertSinks.of(declared))
        desk.record([firing()], now=NOON)
        for minutes in (0, 1, 3, 7):
            turn(desk, NOON + timedelta(minutes=minutes))
        told = [(one["rule"], one["kind"], one["subject"]) for one in works.received]
        assert told == [("drift", "opened", "amount_usd"), ("sink_down", "opened", "b")]
        broken.status = 200
        turn(desk, NOON + timedelta(minutes=15))
        assert [one["kind"] for one in works.received[2:]] == ["resolved"]
        assert {one["id"] for one in broken.received} == {works.received[0]["id"]}
        assert desk.outbox.waiting() == ()


def turn(desk: AlertDesk, at: datetime) -> None:
    desk.deliver(clock=lambda: at)
