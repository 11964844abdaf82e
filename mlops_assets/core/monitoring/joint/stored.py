"""The sums over pairs of columns of a product's days, kept in the table `pair_sums`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mlops_assets.core.errors import TableNotFoundError
from mlops_assets.core.identity.content import value_digest
from mlops_assets.core.lakehouse.day_files import day_files
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.categories import category_features
from mlops_assets.core.monitoring.joint.dependence import Floats, length_of_sums, pair_sums
from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles, blocks_of_days
from mlops_assets.core.runtime.prefetch import computed_ahead
from mlops_assets.core.runtime.threads import one_blas_thread
from mlops_assets.core.training.view_features import features_by_view

PAIR_SUMS = "pair_sums"
MOST_COLUMNS = 32
"""Columns that are looked at together: those on which the model leans most."""
SUMMED_ROWS = 4_000
"""Rows of a day that are summed up, every n-th in the order of ids: a week of them gives a correlation to 0.01."""
_THREADS = 2
PAIR_SUMS_SCHEMA = {
    "event_date": pl.Date,
    "made_by": pl.String,
    "columns": pl.List(pl.String),
    "sums": pl.List(pl.Float64),
    "source": pl.String,
}
"""One row per day. `made_by`: the digest of the view. `columns`: in the order of the sums. `sums`: what `pair_sums`
returns. `source`: what they were made from: the day's files of `features`, the view, the columns."""


@dataclass(frozen=True)
class StoredPairSums:
    """Reads the sums of days as one champion needs them, and makes those that are missing or of other rows."""

    profiles: ChampionProfiles
    """Of the same champion: its tables, and who stores what is made."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The numeric features with the largest gain, at most `MOST_COLUMNS`, the largest first.

        Codes of categories have no ranks and are left out.
        """
        categories = category_features(self.profiles.product)
        ranked = self.profiles.champion.model.importance()["feature"].to_list()
        return tuple(name for name in ranked if name not in categories)[:MOST_COLUMNS]

    def read(self, days: DayRange) -> dict[date, Floats]:
        """Return the sums by day; days without events have none. What is not stored is made and stored."""
        sources, stored = self._sources(days), self._stored(days)
        known = dict(stored.select("event_date", "source").iter_rows())
        missing = [day for day, source in sources.items() if known.get(day) != source]
        made = [self._make(block, sources) for block in blocks_of_days(missing)]
        kept = stored.filter(pl.col("event_date").is_in([d for d in sources if d not in set(missing)]))
        table = pl.concat([kept, *made]) if made else kept
        length = length_of_sums(len(self.columns))
        return {
            day: sums.to_numpy()
            for day, sums in zip(table["event_date"], table["sums"], strict=True)
            if len(sums) == length
        }

    def _stored(self, days: DayRange) -> pl.DataFrame:
        try:
            stored = self.profiles.tables.read(self.profiles.product.name, PAIR_SUMS, days=days)
        except TableNotFoundError:
            return pl.DataFrame(schema=PAIR_SUMS_SCHEMA)
        return stored.select(list(PAIR_SUMS_SCHEMA))

    def _sources(self, days: DayRange) -> Mapping[date, str]:
        tables, product = self.profiles.tables, self.profiles.product
        if not tables.exists(product.name, "features"):
            return {}
        maker = [self.profiles.champion.view.digest, *self.columns]
        files = day_files(tables.delta(product.name, "features"))
        return {
            day: value_digest([*maker, digest])
            for day, digest in files.items()
            if days.first <= day < days.end
        }

    def _make(self, days: DayRange, sources: Mapping[date, str]) -> pl.DataFrame:
        owner, names = self.profiles, list(self.columns)
        owner.progress(f"pairs of columns of {days.words}")
        rows = features_by_view(owner.tables, owner.product.name, owner.champion.view, days=days).rows
        parts = _every_nth(rows, owner.product.spec.id_column).partition_by("event_date", as_dict=True)
        values = (
            part.select(pl.col(names).cast(pl.Float64)).fill_null(np.nan).to_numpy()
            for part in parts.values()
        )
        with one_blas_thread():  # with more they wait for one another: 17 ms a day instead of 5
            summed = list(computed_ahead(values, pair_sums, threads=_THREADS))
        made = [
            {
                "event_date": day,
                "made_by": owner.champion.view.digest,
                "columns": names,
                "sums": sums,
                "source": sources.get(day),
            }
            for (day,), sums in zip(parts, summed, strict=True)
        ]
        table = pl.DataFrame(made, schema=PAIR_SUMS_SCHEMA).sort("event_date")
        owner.tables.write(owner.product.name, PAIR_SUMS, table, days=days, commit=owner.commit)
        return table


def _every_nth(rows: pl.DataFrame, id_column: str) -> pl.DataFrame:
    place = pl.col(id_column).rank("ordinal").over("event_date").cast(pl.Int64)
    step = (pl.len().over("event_date").cast(pl.Int64) + SUMMED_ROWS - 1) // SUMMED_ROWS
    return rows.filter((place - 1) % step == 0)
