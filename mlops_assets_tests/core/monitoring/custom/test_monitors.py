"""The monitors of a product over stored windows: what they are shown, what is read, and what of it counts."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.declared.monitors import MonitoredWindow, Monitors, Observation, Statistic
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.custom.monitors import WindowMonitors
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.estimated.champion_quality import WindowRows
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.times import KNOWN_AT
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import LAST_DAY

WINDOW = DayRange(LAST_DAY - timedelta(days=6), LAST_DAY + timedelta(days=1))
BEFORE = DayRange(WINDOW.first - timedelta(days=1), WINDOW.end - timedelta(days=1))
NOTHING = WindowRows(pl.DataFrame(), 0)
AMOUNT = Statistic(pl.col("amount_usd").mean())


def monitors(profiles: ChampionProfiles, own: Monitors) -> WindowMonitors:
    product = replace(profiles.product, monitors=own)
    return WindowMonitors(WindowDrift(replace(profiles, product=product), DayRange(BEFORE.first, WINDOW.end)))


def corrected(profiles: ChampionProfiles) -> None:
    """Give every event of the window's last day a second version with another amount."""
    day = DayRange(LAST_DAY, WINDOW.end)
    rows = profiles.tables.read("fraud_detection", "events", days=day)
    later = rows.with_columns(pl.col(KNOWN_AT) + timedelta(days=2), amount_usd=pl.lit(1e6))
    both = pl.concat([later, rows])
    profiles.tables.write("fraud_detection", "events", both, days=day, commit=COMMIT)


def test_a_corrected_event_counts_once_as_it_was_first_known(profiles: ChampionProfiles) -> None:
    seen: list[MonitoredWindow] = []

    def look(window: MonitoredWindow) -> Observation:
        seen.append(window)
        return Observation(value=window.events.select(pl.col("amount_usd").mean()).collect().item())

    own: Monitors = {"mean": AMOUNT, "look": look}
    (before, looked), _ = monitors(profiles, own).findings(WINDOW, NOTHING)
    digests = [monitors(profiles, {name: one}).content(WINDOW) for name, one in own.items()]
    corrected(profiles)
    (after, again), _ = monitors(profiles, own).findings(WINDOW, NOTHING)
    assert before == after
    assert looked.value == pytest.approx(again.value)
    assert looked.value == pytest.approx(before.value)
    of_statistic, of_function = (monitors(profiles, {name: one}).content(WINDOW) for name, one in own.items())
    assert of_statistic == digests[0]  # a number is what it was
    assert of_function != digests[1]  # what a function makes of other files, nobody knows
    assert (seen[0].first, seen[0].end) == (WINDOW.first, WINDOW.end)
    assert "is_fraud" in seen[0].read_test_rows().columns
    assert "known_at" in seen[0].events.collect_schema()


def test_a_table_that_cannot_be_read_is_no_fault_of_a_monitor(profiles: ChampionProfiles) -> None:
    for file in Path(profiles.tables.root, "fraud_detection", "events").rglob("*.parquet"):
        file.unlink()
    with pytest.raises((OSError, pl.exceptions.PolarsError), match="parquet"):
        monitors(profiles, {"mean": AMOUNT}).findings(WINDOW, NOTHING)


def test_the_order_of_windows_changes_nothing(profiles: ChampionProfiles) -> None:
    together, alone = monitors(profiles, {"mean": AMOUNT}), monitors(profiles, {"mean": AMOUNT})
    both = [together.findings(days, NOTHING) for days in (BEFORE, WINDOW)]
    assert [alone.findings(days, NOTHING) for days in (WINDOW, BEFORE)] == both[::-1]
    assert both[0] != both[1]


def test_too_few_events_and_none_have_no_number(profiles: ChampionProfiles) -> None:
    day = DayRange(LAST_DAY, WINDOW.end)
    profiles.tables.write(
        "fraud_detection",
        "events",
        profiles.tables.read("fraud_detection", "events", days=WINDOW).clear(),
        days=WINDOW,
        commit=COMMIT,
    )
    (found,), failures = monitors(profiles, {"mean": AMOUNT}).findings(WINDOW, NOTHING)
    assert (found.state, found.value, failures) == ("inconclusive", None, [])
    assert monitors(profiles, {}).content(day) == {}
    assert monitors(profiles, {}).findings(day, NOTHING) == ([], [])
