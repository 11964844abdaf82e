"""Sums of days are made once, and again when their rows are others."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_info

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.categories import category_features
from mlops_assets.core.monitoring.joint import stored
from mlops_assets.core.monitoring.joint.dependence import Floats, pair_sums
from mlops_assets.core.monitoring.joint.stored import MOST_COLUMNS, PAIR_SUMS, StoredPairSums
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import LAST_DAY

DAYS = DayRange(LAST_DAY - timedelta(days=2), LAST_DAY + timedelta(days=1))


def test_the_columns_are_the_numeric_ones_on_which_the_model_leans_most(profiles: ChampionProfiles) -> None:
    columns = StoredPairSums(profiles).columns
    assert 2 <= len(columns) <= MOST_COLUMNS
    assert category_features(profiles.product).isdisjoint(columns)
    gain = dict(profiles.champion.model.importance().select("feature", "gain").iter_rows())
    assert [gain[name] for name in columns] == sorted((gain[name] for name in columns), reverse=True)


def test_a_home_without_the_table_gets_it_of_the_stored_features(profiles: ChampionProfiles) -> None:
    tables, product = profiles.tables, profiles.product
    if tables.exists(product.name, PAIR_SUMS):
        tables.write(
            product.name,
            PAIR_SUMS,
            tables.read(product.name, PAIR_SUMS, days=DAYS).clear(),
            days=DAYS,
            commit=COMMIT,
        )
    sums = StoredPairSums(profiles)
    read = sums.read(DAYS)
    features = features_by_view(tables, product.name, profiles.champion.view, days=DAYS).rows
    day = features.filter(pl.col("event_date") == LAST_DAY).select(pl.col(sums.columns).cast(pl.Float64))
    np.testing.assert_allclose(read[LAST_DAY], pair_sums(day.fill_null(np.nan).to_numpy()), atol=1e-9)
    assert tables.read(product.name, PAIR_SUMS, days=DAYS).height == len(read)


def test_days_are_summed_up_on_one_thread_of_blas_each(
    profiles: ChampionProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watched(values: Floats) -> Floats:
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return pair_sums(values)

    monkeypatch.setattr(stored, "pair_sums", watched)
    champion = replace(profiles.champion, view=replace(profiles.champion.view, name="another"))
    StoredPairSums(replace(profiles, champion=champion)).read(DAYS)
    assert set(seen) == {1}


def test_stored_sums_are_used_and_made_again_for_other_rows(profiles: ChampionProfiles) -> None:
    said: list[str] = []
    first = StoredPairSums(profiles).read(DAYS)
    watched = StoredPairSums(replace(profiles, progress=said.append))
    assert watched.read(DAYS)[LAST_DAY].tolist() == first[LAST_DAY].tolist()
    assert said == [], "all of it was stored"
    tables, product = profiles.tables, profiles.product
    changed = tables.read(product.name, PAIR_SUMS, days=DAYS).with_columns(
        source=pl.when(pl.col("event_date") == LAST_DAY).then(pl.lit("older files")).otherwise("source")
    )
    tables.write(product.name, PAIR_SUMS, changed, days=DAYS, commit=COMMIT)
    watched.read(DAYS)
    assert said == [f"pairs of columns of {DayRange(LAST_DAY, LAST_DAY + timedelta(days=1)).words}"]
