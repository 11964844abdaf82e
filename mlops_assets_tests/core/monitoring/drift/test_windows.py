"""Windows are judged by the history that the champion knew."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.drift.windows import WindowDrift, cohort_drift, gain_shares
from mlops_assets.core.monitoring.stored_profiles import PROFILES, SCORE, ChampionProfiles
from mlops_assets.core.release.champion import load_champion, reference_rows
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import AS_OF, FIRST_DAY, LAST_DAY, SmallHome

WINDOW = DayRange(LAST_DAY - timedelta(days=6), LAST_DAY + timedelta(days=1))


@pytest.fixture
def profiles(released_home: SmallHome) -> ChampionProfiles:
    product = released_home.product
    champion = load_champion(released_home.control, product.name, declared_view=product.view)
    return ChampionProfiles(released_home.tables, product, champion, COMMIT)


def test_the_history_ends_where_the_champions_knowledge_does(profiles: ChampionProfiles) -> None:
    drift = WindowDrift(profiles, WINDOW)
    assert (drift.history_days.first, drift.history_days.end) == (FIRST_DAY, AS_OF)
    report = drift.judge(WINDOW)
    assert [column.column for column in report.columns] == list(profiles.columns)
    assert report.verdict in ("stable", "drift", "inconclusive")
    assert drift.content(WINDOW) == WindowDrift(profiles, WINDOW).content(WINDOW)
    assert drift.could_tell_from == FIRST_DAY + timedelta(
        days=6 * profiles.product.spec.monitoring.window_days
    )


def test_a_window_is_judged_alone_as_among_others(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    champion = load_champion(home.control, home.product.name, declared_view=home.product.view)
    profiles = ChampionProfiles(home.tables, home.product, champion, COMMIT)
    known = DayRange(FIRST_DAY, LAST_DAY + timedelta(days=1))
    profiles.read(known)
    stored = home.tables.read(home.product.name, PROFILES, days=known)
    # The same fault before the version's as-of time, where it is what the version knows, and after it.
    is_wrong = pl.col("event_date").is_in([AS_OF - timedelta(days=2), AS_OF + timedelta(days=5)])
    moved = pl.when(is_wrong & (pl.col("column") == "amount_usd")).then(
        pl.col("values").list.eval(pl.element() + 1e6)
    )
    wrong = stored.with_columns(values=moved.otherwise("values"))
    home.tables.write(home.product.name, PROFILES, wrong, days=known, commit=COMMIT)
    ends = [AS_OF + timedelta(days=number) for number in range(12)]
    windows = [DayRange(end - timedelta(days=7), end) for end in ends]
    together = WindowDrift(profiles, DayRange(windows[0].first, windows[-1].end))
    told: list[tuple[object, ...]] = []
    for window in windows:
        alone, among = WindowDrift(profiles, window).judge(window), together.judge(window)
        assert (alone.verdict, alone.faults) == (among.verdict, among.faults), window
        told.append(alone.faults)
    assert any(told) and not all(told)


def test_a_picture_shows_the_profiles_that_were_judged(profiles: ChampionProfiles) -> None:
    drift = WindowDrift(profiles, WINDOW)
    columns = {column.column: column for column in drift.judge(WINDOW).columns}
    for name in (profiles.columns[0], SCORE):
        compared = drift.compared(WINDOW, name)
        assert compared.current.rows == drift.judge(WINDOW).rows_current
        assert compared.is_category == columns[name].is_category
        sides = (
            (compared.current, columns[name].mean_current),
            (compared.history.reference, columns[name].mean_reference),
        )
        for profile, mean in sides:
            assert (profile.values * profile.counts).sum() / profile.present == pytest.approx(mean)
        assert sum(one.rows for one in compared.history.windows) > 0
    with pytest.raises(KeyError):
        drift.compared(WINDOW, "no_such_column")


def test_a_champion_without_a_history_is_named(profiles: ChampionProfiles) -> None:
    for as_of in (None, profiles.champion.as_of and profiles.champion.as_of.replace(year=2000)):
        champion = replace(profiles.champion, as_of=as_of)
        with pytest.raises(MonitoringError, match=r"as-of time|knew no day"):
            _ = WindowDrift(replace(profiles, champion=champion), WINDOW).history_days


def test_a_cohort_is_compared_with_random_parts_of_its_reference(profiles: ChampionProfiles) -> None:
    reference = reference_rows(profiles.tables, profiles.product, profiles.champion)
    copies = pl.concat([reference] * 3)
    same = cohort_drift(copies, copies, profiles_of=profiles, seed=0)
    assert same.verdict != "drift"
    moved = copies.with_columns(score=pl.Series(np.full(copies.height, 0.9)))
    assert cohort_drift(copies, moved, profiles_of=profiles, seed=0).alarmed_columns == ("score",)


def test_importance_is_a_share_of_the_gain() -> None:
    assert gain_shares(pl.DataFrame({"feature": ["a", "b"], "gain": [3.0, 1.0]})) == {"a": 0.75, "b": 0.25}
    assert gain_shares(pl.DataFrame({"feature": ["a"], "gain": [0.0]})) == {"a": 0.0}
