"""The profiles of a product's days as the champion sees them, kept in the table `profiles`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from mlops_assets.core.errors import TableNotFoundError
from mlops_assets.core.identity.content import value_digest
from mlops_assets.core.lakehouse.day_files import day_files
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.categories import category_features
from mlops_assets.core.monitoring.profile import PROFILE_SCHEMA, ColumnProfile, profile_days, profiles_by_day
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import Champion
from mlops_assets.core.training.view_features import features_by_view

PROFILES = "profiles"
SCORE = "score"
SCORED_ROWS = 2_000
"""Rows of a day before the champion answered that are scored for its profile: every n-th in the order of ids."""
_BLOCK_DAYS = 31
STORED_SCHEMA = {**PROFILE_SCHEMA, "source": pl.String}
"""`source`: what the day's rows were made from: its files of `features` and `predictions`, the champion, its view."""


@dataclass(frozen=True)
class ChampionProfiles:
    """Reads the profiles of days by one champion, and makes those that are missing or of other rows."""

    tables: DeltaTables
    product: Product
    champion: Champion
    commit: CommitInfo
    """Who stores what is made."""
    progress: Callable[[str], None] = lambda _words: None

    @property
    def columns(self) -> tuple[str, ...]:
        """The features in the model's order, then the score."""
        return (*self.champion.model.feature_names, SCORE)

    def read(self, days: DayRange) -> dict[str, dict[date, ColumnProfile]]:
        """Return the profiles of the days by column; days without events have none.

        Days whose profiles are not stored, or were made of other rows or for another champion, are made and stored.
        """
        sources = self._sources(days)
        stored = self._stored(days)
        known = dict(stored.group_by("event_date").agg(pl.col("source").first()).iter_rows())
        missing = [day for day, source in sources.items() if known.get(day) != source]
        made = [self._make(block, sources) for block in blocks_of_days(missing)]
        kept = stored.filter(pl.col("event_date").is_in([d for d in sources if d not in set(missing)]))
        table = pl.concat([kept, *made]) if made else kept
        return {name: profiles_by_day(table, name) for name in self.columns}

    def _stored(self, days: DayRange) -> pl.DataFrame:
        try:
            stored = self.tables.read(self.product.name, PROFILES, days=days)
        except TableNotFoundError:
            return pl.DataFrame(schema=STORED_SCHEMA)
        return stored.select(list(STORED_SCHEMA))

    def _sources(self, days: DayRange) -> Mapping[date, str]:
        features = self._files("features", days)
        predictions = self._files("predictions", days)
        maker = [self.champion.view.digest, self.champion.model.digest]
        return {day: value_digest([*maker, files, predictions.get(day)]) for day, files in features.items()}

    def _files(self, noun: str, days: DayRange) -> Mapping[date, str]:
        if not self.tables.exists(self.product.name, noun):
            return {}
        files = day_files(self.tables.delta(self.product.name, noun))
        return {day: digest for day, digest in files.items() if days.first <= day < days.end}

    def _make(self, days: DayRange, sources: Mapping[date, str]) -> pl.DataFrame:
        self.progress(f"profiles of {days.words}")
        categories = category_features(self.product)
        names = list(self.champion.model.feature_names)
        id_column = self.product.spec.id_column
        rows = features_by_view(self.tables, self.product.name, self.champion.view, days=days).rows
        features = profile_days(
            rows,
            day="event_date",
            columns=dict.fromkeys(names, "feature"),
            made_by=self.champion.view.digest,
            categories=categories,
        )
        scored = self._served(days, rows.select(id_column, "event_date"))
        unserved = rows.filter(~pl.col("event_date").is_in(scored["event_date"].unique().implode()))
        scored = pl.concat([scored, self._scored(unserved)])
        scores = profile_days(
            scored, day="event_date", columns={SCORE: "score"}, made_by=self.champion.model.digest
        )
        table = pl.concat([features, scores])
        source = pl.col("event_date").replace_strict(dict(sources), default=None, return_dtype=pl.String)
        table = table.with_columns(source=source).select(STORED_SCHEMA.keys())
        self.tables.write(self.product.name, PROFILES, table, days=days, commit=self.commit)
        return table

    def _served(self, days: DayRange, events: pl.DataFrame) -> pl.DataFrame:
        """Return the scores by which the champion answered, or would have: `event_date` and `score`."""
        if not self.tables.exists(self.product.name, "predictions"):
            return pl.DataFrame(schema={"event_date": pl.Date, SCORE: pl.Float64})
        return (
            self.tables.scan(self.product.name, "predictions", days=days)
            .filter(pl.col("model_version") == self.champion.version)
            .select(self.product.spec.id_column, SCORE)
            .collect()
            .join(events, on=self.product.spec.id_column, how="inner")
            .select("event_date", pl.col(SCORE).cast(pl.Float64))
        )

    def _scored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Score a sample of each day: `event_date` and `score`."""
        place = pl.col(self.product.spec.id_column).rank("ordinal").over("event_date").cast(pl.Int64)
        step = (pl.len().over("event_date").cast(pl.Int64) + SCORED_ROWS - 1) // SCORED_ROWS
        drawn = rows.filter((place - 1) % step == 0)
        if drawn.is_empty():
            return pl.DataFrame(schema={"event_date": pl.Date, SCORE: pl.Float64})
        scores = pl.Series(SCORE, self.champion.model.predict(drawn), dtype=pl.Float64)
        return drawn.select("event_date").with_columns(scores)


def blocks_of_days(days: Sequence[date]) -> list[DayRange]:
    """Cut days into ranges of consecutive ones, at most a month each."""
    blocks: list[DayRange] = []
    for day in sorted(days):
        last = blocks[-1] if blocks else None
        if last is not None and last.end == day and (day - last.first).days < _BLOCK_DAYS:
            blocks[-1] = DayRange(last.first, day + timedelta(days=1))
        else:
            blocks.append(DayRange(day, day + timedelta(days=1)))
    return blocks
