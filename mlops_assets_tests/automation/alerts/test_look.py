"""One look at everything, with a real instance, real tables, and a real webhook."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.automation.alerts.look import Looked, Watch
from mlops_assets.core.alerts import desk
from mlops_assets.core.alerts.lifecycle import Key
from mlops_assets.core.alerts.outbox import FILE, LOOKED_AT, Outbox
from mlops_assets.core.errors import AlertError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.finding import Finding, findings_frame
from mlops_assets.core.settings import load_settings
from mlops_assets_tests.support.alerts.failing_runs import run_model
from mlops_assets_tests.support.alerts.messages import finding, firing
from mlops_assets_tests.support.alerts.servers import HttpSinkServer, http_sink

P = "fraud_detection"


@pytest.fixture
def server() -> Iterator[HttpSinkServer]:
    with http_sink() as server:
        yield server


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def watch(tmp_path: Path, server: HttpSinkServer, instance: dg.DagsterInstance) -> Watch:
    environ = {"MLOPS_HOME": str(tmp_path), "MLOPS_ALERT_WEBHOOK": server.address}
    settings = load_settings(environ, working_directory=tmp_path)
    return Watch(settings, environ, (P, "mortality_risk"), DeltaTables(settings.tables_uri), instance)


def look(watch: Watch, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Looked:
    return watch.look(clock=clock)


def write(watch: Watch, day: int, *findings: Finding) -> None:
    rows = findings_frame(findings).with_columns(event_date=date(2018, 9, day))
    watch.tables.append(P, "verdicts", rows, commit=CommitInfo(run_id="test"))


def told(server: HttpSinkServer) -> list[tuple[str, str, str]]:
    found = [(one["kind"], one["rule"], one["subject"]) for one in server.received]
    server.received.clear()
    return found


def test_verdicts_become_alerts_that_arrive_once_and_end(watch: Watch, server: HttpSinkServer) -> None:
    assert look(watch) == Looked(0, 0, 0, {})
    write(watch, 1, finding(value=0.4, limit=0.2), finding(subject="hour", state="ok"))
    assert look(watch).told == 1
    (posted,) = server.received
    assert posted["title"] == "[warning] fraud_detection: drift: amount_usd"
    assert (posted["window"], posted["value"], posted["limit"]) == ("2018-09-01", 0.4, 0.2)
    assert posted["link"].endswith("/assets/fraud_detection/verdicts")
    server.received.clear()
    write(watch, 2, finding(value=0.41, limit=0.2))
    look(watch)
    assert told(server) == []
    page = watch.settings.reports / P / "verdicts" / "2018-09-03.html"
    page.parent.mkdir(parents=True)
    page.touch()
    write(watch, 3, finding(value=0.9, limit=0.2))
    look(watch)
    (worse,) = server.received
    assert worse["link"] == f"{watch.settings.reports_url}/{P}/verdicts/2018-09-03.html"
    assert told(server) == [("worse", "drift", "amount_usd")]
    write(watch, 4, finding(state="ok"))
    look(watch)
    look(watch)
    assert told(server) == [("resolved", "drift", "amount_usd")]


def test_what_was_judged_is_not_read_again_and_still_reminds(watch: Watch, server: HttpSinkServer) -> None:
    write(watch, 1, finding())
    look(watch)
    later = datetime.now(UTC) + timedelta(hours=25)
    look(watch, lambda: later)
    assert told(server) == [("opened", "drift", "amount_usd"), ("reminder", "drift", "amount_usd")]


def test_a_failed_run_arrives_and_ends(
    watch: Watch, server: HttpSinkServer, instance: dg.DagsterInstance
) -> None:
    look(watch)
    run_model(instance, fails=True)
    look(watch)
    run_model(instance, fails=False)
    look(watch)
    subject = "fraud_detection__retrain, 2026-05-01: fraud_detection__model (MemoryError)"
    assert told(server) == [("opened", "run_failure", subject), ("resolved", "run_failure", subject)]


def test_a_part_that_raises_is_told_and_holds_up_no_other(
    watch: Watch, server: HttpSinkServer, caplog: pytest.LogCaptureFixture
) -> None:
    write(watch, 1, finding())
    broken = Path(watch.settings.tables_uri) / "mortality_risk" / "verdicts" / "_delta_log"
    broken.mkdir(parents=True)
    (broken / f"{0:020}.json").write_text("this is no commit", encoding="utf-8")
    looked = look(watch)
    assert list(looked.failed) == ["rules of mortality_risk"]
    look(watch)
    assert sorted(told(server)) == [
        ("opened", "alerts_failed", "rules of mortality_risk"),
        ("opened", "drift", "amount_usd"),
    ]
    assert "rules of mortality_risk could not be looked at" in caplog.text
    (broken / f"{0:020}.json").unlink()
    look(watch)
    assert told(server) == [("resolved", "alerts_failed", "rules of mortality_risk")]


def test_sinks_that_cannot_be_read_are_told_and_nothing_is_taken_in(
    watch: Watch, server: HttpSinkServer
) -> None:
    write(watch, 1, finding())
    waiting = firing(Key("", "tick_failure", "x"), sinks=("mail",))
    Outbox(watch.settings.home / FILE).record(
        [waiting], now=datetime.now(UTC), new_id=lambda: "a", route=lambda _: ("mail",)
    )
    watch.settings.alert_sinks.write_text("sinks: {a: {kind: pigeon}}", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(AlertError, match="pigeon"):
            look(watch)
    assert told(server) == [("opened", "alerts_failed", "the sinks")]
    (waits,) = Outbox(watch.settings.home / FILE).waiting()
    assert (waits.sink, waits.attempts) == ("mail", 0)  # its declaration is what is missing, not the sink
    watch.settings.alert_sinks.unlink()
    look(watch)
    assert told(server)[:2] == [("resolved", "alerts_failed", "the sinks"), ("opened", "drift", "amount_usd")]


def test_an_outbox_that_cannot_be_used_is_cried_once_without_it(
    watch: Watch, server: HttpSinkServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_cried", {})
    (watch.settings.home / FILE).write_bytes(b"no database" * 100)
    for _ in range(2):
        with pytest.raises(AlertError, match="cannot be used"):
            look(watch)
    assert told(server) == [("opened", "outbox_failed", FILE)]
    assert "told sink webhook that the outbox cannot be used: delivered" in caplog.text


def test_a_message_that_was_sent_and_not_noted_is_sent_again_under_its_id(
    watch: Watch, server: HttpSinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process is killed between the two."""
    write(watch, 1, finding())

    def killed(self: Outbox, *args: object, **given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, "delivered", killed)
    with pytest.raises(KeyboardInterrupt):
        look(watch)
    monkeypatch.undo()
    outbox = Outbox(watch.settings.home / FILE)
    while outbox.waiting():
        look(watch)
    ids = [one["id"] for one in server.received]
    assert len(set(ids)) == 1
    assert LOOKED_AT in outbox.notes()


def test_other_processes_read_how_the_outbox_stands(watch: Watch, server: HttpSinkServer) -> None:
    server.status = 500
    write(watch, 1, finding())
    looked = look(watch)
    assert looked.undelivered == 1
    (waits,) = Outbox(watch.settings.home / FILE).waiting()
    assert (waits.sink, waits.attempts, waits.remark) == ("webhook", 1, "HTTP 500")


def test_alerts_of_a_product_that_is_no_more_are_over(watch: Watch, server: HttpSinkServer) -> None:
    write(watch, 1, finding())
    look(watch)
    look(replace(watch, products=("mortality_risk",)))
    assert told(server) == [("opened", "drift", "amount_usd"), ("resolved", "drift", "amount_usd")]
