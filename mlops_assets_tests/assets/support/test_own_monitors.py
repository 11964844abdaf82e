"""The monitors of docs/how-to/add-a-monitor.md on a real home: judged, shown, told, and harmless when they raise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.core.alerts.rules import read_finding, rules_of
from mlops_assets.core.declared.monitors import MonitoredWindow, Monitors, Observation, Statistic
from mlops_assets.core.monitoring.finding import findings_from_frame
from mlops_assets.core.product import Product
from mlops_assets_tests.support.documents.markdown_pages import ROOT, Page
from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.small_home import (
    INGEST,
    LAST_DAY,
    SCORE,
    SmallHome,
    checks_of,
    metadata_of,
)

PAGE = Page(ROOT / "docs/how-to/add-a-monitor.md")
DAYS = (LAST_DAY - timedelta(days=1), LAST_DAY)
SECRET = "card 4111"


def documented() -> Monitors:
    names: dict[str, Any] = {}
    exec(compile(PAGE.block("monitors.py"), "monitors.py", "exec"), names)
    return names["MONITORS"]


def raises(window: MonitoredWindow) -> Observation:
    raise KeyError(SECRET)


def with_monitors(monitors: Monitors) -> Callable[[Product], Product]:
    return lambda product: replace(product, monitors=monitors)


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path) -> SmallHome:
    return released_home.copy(tmp_path / "home")


def custom(home: SmallHome) -> pl.DataFrame:
    found = home.read("verdicts").filter(pl.col("topic") == "custom")
    return found.filter(pl.col("event_date") == LAST_DAY)


def test_every_monitor_of_the_page_says_something_of_each_window(home: SmallHome) -> None:
    home = home.with_product(with_monitors(documented()))
    result = home.materialize("verdicts", days=DAYS)
    assert checks_of(result)["monitors_ran"]
    found = {row["subject"]: row for row in custom(home).iter_rows(named=True)}
    week = {
        f"prices: {day}"
        for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    }
    assert set(found) == {"night_share", "dearest_percent", "desk", *week}
    events = home.read("events").filter(pl.col("event_date") > LAST_DAY - timedelta(days=7))
    nights = events["event_timestamp"].dt.hour().lt(6).mean()
    assert found["night_share"]["value"] == pytest.approx(nights)
    assert found["night_share"]["state"] in ("ok", "inconclusive")
    assert found["night_share"]["expected"] is not None
    scored = home.read("predictions").filter(pl.col("event_date") > LAST_DAY - timedelta(days=7))
    assert found["desk"]["value"] == pytest.approx(scored["decision"].mean())
    (page,) = home.root.rglob(f"verdicts/{LAST_DAY}.html")
    assert "Monitors of this product" in page.read_text()
    again = home.materialize("verdicts", days=LAST_DAY)  # alone: made from less than both together
    before = home.table_versions()["verdicts"]
    home.materialize("verdicts", days=LAST_DAY)
    assert not metadata_of(again, home.key("verdicts"))["changed"].value
    assert home.table_versions()["verdicts"] == before


def test_what_changes_is_found_against_the_history_and_told(home: SmallHome) -> None:
    since = LAST_DAY - timedelta(days=7)
    is_new = pl.col("event_timestamp").dt.date() > since
    nightly = pl.when(is_new).then(pl.col("event_timestamp").dt.truncate("1d")).otherwise("event_timestamp")
    changed = home.with_product(
        lambda product: changed_reader(
            replace(product, monitors={"night_share": documented()["night_share"]}),
            events=lambda rows: rows.with_columns(nightly.alias("event_timestamp")),
        )
    )
    changed.materialize(*INGEST, *SCORE, days=(since + timedelta(days=1), LAST_DAY))
    changed.materialize("drift_report", "performance_report", "verdicts", days=LAST_DAY)
    (finding,) = findings_from_frame(custom(changed))
    assert (finding.state, finding.cause, finding.value) == ("alarm", "changed", 1.0)
    rules = {rule.name: rule for rule in rules_of(changed.product.spec)}
    assert rules["monitors"].watches(finding)
    assert read_finding(rules["monitors"], finding).state == "alarm"


def test_a_monitor_that_raises_is_told_without_its_message_and_the_others_are_heard(home: SmallHome) -> None:
    wrong: Monitors = {
        "gone": raises,
        "many": Statistic(pl.col("amount_usd")),
        "failing": Statistic(
            pl.col("amount_usd").map_batches(lambda _: 1 / 0, return_dtype=pl.Float64).mean()
        ),
        "mean": Statistic(pl.col("amount_usd").mean()),
        "nothing": lambda window: None,  # pyright: ignore[reportAssignmentType, reportReturnType]
    }
    home = home.with_product(with_monitors(wrong))
    result = home.materialize("verdicts", days=LAST_DAY)
    assert result.success
    assert not checks_of(result)["monitors_ran"]
    found = {row["subject"]: row for row in custom(home).iter_rows(named=True)}
    assert set(found) == set(wrong)
    assert found["mean"]["value"] > 0
    for name in ("gone", "many", "failing", "nothing"):
        assert found[name]["state"] == "inconclusive"
        assert "could not be run" in found[name]["reason"]
    assert "KeyError" in found["gone"]["reason"]
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "monitors_ran"]
    told = f"{custom(home)['reason'].to_list()} {check.description}"
    assert SECRET not in told
    assert "gone" in told


def test_a_broken_source_that_a_monitor_finds_breaks_the_window(home: SmallHome) -> None:
    said = Observation(value=1.0, above=0.5, is_source_broken=True, day=LAST_DAY, reason="the till rounds")
    home = home.with_product(with_monitors({"till": lambda window: said}))
    result = home.materialize("verdicts", days=LAST_DAY)
    assert metadata_of(result, home.key("verdicts"))["verdict"].value == "broken"


def test_an_edited_monitor_judges_anew_and_a_removed_one_leaves_nothing(
    home: SmallHome, released_home: SmallHome, tmp_path: Path
) -> None:
    first = home.with_product(with_monitors({"desk": lambda window: Observation(value=1.0, above=2.0)}))
    first.materialize("verdicts", days=LAST_DAY)
    assert custom(first)["state"].to_list() == ["ok"]
    other = home.with_product(with_monitors({"desk": lambda window: Observation(value=1.0, above=0.5)}))
    other.materialize("verdicts", days=LAST_DAY)
    assert custom(other)["state"].to_list() == ["alarm"]
    home.materialize("verdicts", days=LAST_DAY)
    fresh = released_home.copy(tmp_path / "fresh")
    fresh.materialize("verdicts", days=LAST_DAY)
    assert home.read("verdicts").equals(fresh.read("verdicts"))
