"""Profiles of days are made once, and again when their rows are others."""

from dataclasses import replace
from datetime import timedelta

import polars as pl

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.profile import profile_column
from mlops_assets.core.monitoring.stored_profiles import PROFILES, SCORE, ChampionProfiles
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import LAST_DAY

DAYS = DayRange(LAST_DAY - timedelta(days=2), LAST_DAY + timedelta(days=1))


def test_a_days_profile_is_that_of_its_features_and_of_the_scores_that_answered(
    profiles: ChampionProfiles,
) -> None:
    read = profiles.read(DAYS)
    assert list(read) == [*profiles.champion.model.feature_names, SCORE]
    product, champion = profiles.product, profiles.champion
    features = features_by_view(profiles.tables, product.name, champion.view, days=DAYS).rows
    day = features.filter(pl.col("event_date") == LAST_DAY)
    name = champion.model.feature_names[0]
    expected = profile_column(day[name])
    assert read[name][LAST_DAY].counts.tolist() == expected.counts.tolist()
    answered = profiles.tables.scan(product.name, "predictions", days=DAYS).filter(
        (pl.col("model_version") == champion.version) & (pl.col("event_date") == LAST_DAY)
    )
    assert read[SCORE][LAST_DAY].rows == answered.collect().height


def test_stored_profiles_are_used_and_made_again_for_other_rows(
    profiles: ChampionProfiles,
) -> None:
    said: list[str] = []
    first = profiles.read(DAYS)
    watched = replace(profiles, progress=said.append)
    again = watched.read(DAYS)
    assert said == [], "all of it was stored"
    assert again[SCORE][LAST_DAY].counts.tolist() == first[SCORE][LAST_DAY].counts.tolist()
    stored = profiles.tables.read(profiles.product.name, PROFILES, days=DAYS)
    changed = stored.with_columns(
        source=pl.when(pl.col("event_date") == LAST_DAY).then(pl.lit("older files")).otherwise("source")
    )
    profiles.tables.write(profiles.product.name, PROFILES, changed, days=DAYS, commit=COMMIT)
    watched.read(DAYS)
    assert said == [f"profiles of {DayRange(LAST_DAY, LAST_DAY + timedelta(days=1)).words}"]
    said.clear()
    wider = DayRange(LAST_DAY - timedelta(days=3), LAST_DAY + timedelta(days=1))
    assert len(replace(watched).read(wider)[SCORE]) == 4
