"""Estimates of a real home's windows: which rows, which labels, and the same again."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.estimated.champion_quality import ChampionQuality
from mlops_assets.core.release.champion import load_champion
from mlops_assets_tests.support.homes.small_home import AS_OF, LAST_DAY, SmallHome

SINCE = DayRange(AS_OF, LAST_DAY + timedelta(days=1))
ID, LABEL = "transaction_id", "is_fraud"


def _quality(home: SmallHome, *, maximum_rows: int | None = None) -> ChampionQuality:
    product = home.product
    if maximum_rows is not None:
        monitoring = product.spec.monitoring.model_copy(update={"maximum_rows": maximum_rows})
        spec = product.spec.model_copy(update={"monitoring": monitoring})
        product = replace(product, spec=spec)
    champion = load_champion(home.control, product.name, declared_view=product.view)
    return ChampionQuality(home.tables, product, champion, SINCE)


def test_a_label_counts_only_where_it_was_known_by_the_windows_end(released_home: SmallHome) -> None:
    days = DayRange(AS_OF, LAST_DAY - timedelta(days=1))
    rows = _quality(released_home).window(days).rows
    labels = released_home.read("labels").filter(pl.col("known_at") < days.ends_at)
    told = set(rows.filter(pl.col(LABEL).is_not_null())[ID])
    assert told == set(labels[ID]) & set(rows[ID])
    assert 0 < len(told) < rows.height


def test_a_window_is_the_same_whatever_was_asked_before(released_home: SmallHome) -> None:
    one_after_the_other = _quality(released_home)
    for first in range(4):
        days = DayRange(AS_OF + timedelta(days=first), AS_OF + timedelta(days=first + 7))
        alone = _quality(released_home).window(days)
        after = one_after_the_other.window(days)
        assert_frame_equal(after.rows, alone.rows)
        assert after.scored == alone.scored == alone.rows.height


def test_of_many_rows_a_window_holds_those_with_the_smallest_hashes_and_says_so(
    released_home: SmallHome,
) -> None:
    whole = _quality(released_home).window(SINCE)
    quality = _quality(released_home, maximum_rows=250)
    sample = quality.window(SINCE)
    seed = released_home.product.spec.training.seed
    expected = whole.rows.sort(pl.col(ID).hash(seed)).head(250)[ID]
    assert set(sample.rows[ID]) == set(expected)
    assert sample.scored == whole.scored
    assert len(quality.reference.rows) == 250
    assert quality.reference.truth == _quality(released_home).reference.truth
    told = f"(a sample of 250 of the {whole.scored:,} rows)"
    assert all(told in finding.reason for finding in quality.findings(sample))


def test_the_primary_metric_comes_first_and_a_rerun_says_the_same(released_home: SmallHome) -> None:
    quality = _quality(released_home)
    findings = quality.findings(quality.window(SINCE))
    assert findings[0].subject == released_home.product.spec.evaluation.primary_metric
    assert {finding.topic for finding in findings} == {"estimated_performance"}
    again = _quality(released_home)
    assert again.findings(again.window(SINCE)) == findings


def test_the_reference_tells_of_each_day_of_the_champions_test_rows(released_home: SmallHome) -> None:
    quality = _quality(released_home)
    reference = quality.reference
    events = released_home.read("events").select(ID, day=pl.col("event_timestamp").dt.date().to_physical())
    days = set(events["day"].to_list())
    assert reference.rows.days is not None
    found = set(reference.rows.days.tolist())
    assert len(found) > 2
    assert found <= days
    assert reference.variation is not None


def test_rows_of_before_the_champions_knowledge_are_left_out(released_home: SmallHome) -> None:
    quality = _quality(released_home)
    late = AS_OF + timedelta(days=2)
    knowing = replace(quality.champion, as_of=datetime.combine(late, time(), UTC))
    rows = replace(quality, champion=knowing, _read={}).window(SINCE).rows
    times = dict(released_home.read("events").select(ID, "event_timestamp").iter_rows())
    assert min(times[one] for one in rows[ID]).date() == late
    assert rows.height < quality.window(SINCE).rows.height


def test_a_window_in_which_nothing_was_scored_cannot_be_estimated(released_home: SmallHome) -> None:
    quality = _quality(released_home)
    before = quality.window(DayRange(AS_OF - timedelta(days=9), AS_OF - timedelta(days=2)))
    assert before.scored == 0
    found = quality.findings(before)
    assert {finding.state for finding in found} == {"inconclusive"}
    assert "the window has 0 rows" in found[0].reason


@pytest.mark.parametrize("group", [None, "terminal_id"])
def test_rows_are_alike_by_the_declared_group(released_home: SmallHome, group: str | None) -> None:
    product = released_home.product
    evaluation = product.spec.evaluation.model_copy(update={"group_column": group})
    spec = product.spec.model_copy(update={"evaluation": evaluation})
    champion = load_champion(released_home.control, product.name, declared_view=product.view)
    changed = replace(product, spec=spec)
    reference = ChampionQuality(released_home.tables, changed, champion, SINCE).reference
    groups = len(set(reference.rows.groups.tolist()))
    assert groups == len(reference.rows) if group is None else 1 < groups < len(reference.rows)
