"""Faults of a day's data that no change of the world explains: what broke, in which column, on which day.

Each is a jump of one day far beyond all that the days of the history show. A broken upstream is mended, and then the
day is read again; a model that is trained on it learns the fault.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from mlops_assets.core.monitoring.drift.bins import bins_of
from mlops_assets.core.monitoring.drift.variation import moved_share
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.profile import ColumnProfile, add

WHOLE_DAY = "events"
"""Subject of a fault of all columns together."""
FEWEST_DAYS = 14
"""With fewer days of history nothing is said."""
REMEMBERED_DAYS = 56
"""So many sound days say what is usual: eight of each day of the week."""
LASTING_DAYS = 28
"""Categories that are new or gone on so many days with rows in a row are no fault of a source any more: nobody mended
it in four weeks, and assortments, branches and codes do change. Drift of the column then says that the world did."""
FEWEST_ROWS = 20
"""Days with fewer rows are not judged."""
SMALLEST_JUMP = 0.1
"""Share of a day's rows that must be wrong beyond the worst day of the history."""
UNIT_FACTOR = 2.0
"""Values that are so many times larger or smaller throughout have another unit; less is a change of the values."""
_FEWEST_VALUES = 8
"""A column with fewer different values on usual days is not expected to have many."""
_TELLING_VALUES = 40
"""Where a count is even as often as odd, so many different values, all even, are one chance in 2^40: the largest that
tells. Where more counts are even, as of rows that come in pairs, more values are needed. So many that come as often as
on the day before tell that it was read again."""
_EXPECTED_ROWS = 20
"""Where so many rows are expected, none comes with a chance of e^-20."""
_UNTIL = f"; after {LASTING_DAYS} such days it counts as a change of the world"
_QUANTILES = np.linspace(0.1, 0.9, 9)


@dataclass(frozen=True)
class DayFaults:
    """Judges the days of one product's column by its history."""

    column: str
    history: Mapping[date, ColumnProfile]
    """By day; days with too few rows are left out of it."""
    is_category: bool = False

    @property
    def days(self) -> list[ColumnProfile]:
        """The days of the history with enough rows."""
        return [one for one in self.history.values() if one.rows >= FEWEST_ROWS]

    def faults(self, day: date, profile: ColumnProfile) -> Iterator[Finding]:
        """Yield what is wrong with a day's column; nothing where history or day say too little."""
        usual = self.days
        if len(usual) < FEWEST_DAYS or profile.rows < FEWEST_ROWS:
            return
        yield from self._null_flood(day, profile, usual)
        if profile.present < FEWEST_ROWS:
            return
        together = add(usual)
        if not together.present:
            return
        if self.is_category:
            return
        unit = list(self._unit(day, profile, together))
        yield from unit
        if not unit:
            yield from self._range(day, profile, together)
        yield from self._stuck(day, profile, usual)
        yield from self._doubled(day, profile, usual)

    def other_categories(self, day: date, profile: ColumnProfile) -> Iterator[Finding]:
        """Yield that a day has categories that no day before had, or lacks those of every day; of a category alone."""
        usual = self.days
        if not self.is_category or len(usual) < FEWEST_DAYS or profile.present < FEWEST_ROWS:
            return
        together = add(usual)
        if not together.present:
            return
        new = list(self._new_categories(day, profile, usual, together))
        yield from new
        if not new:
            yield from self._lost_categories(day, profile, usual)

    def _null_flood(
        self, day: date, profile: ColumnProfile, usual: Sequence[ColumnProfile]
    ) -> Iterator[Finding]:
        shares = [one.missing / one.rows for one in usual]
        found = profile.missing / profile.rows
        limit = _limit(shares)
        if found > limit:
            words = f"{found:.1%} of the values are missing, on {len(usual)} days before at most {max(shares):.1%}"
            yield self._broken(day, words, value=found, limit=limit, expected=float(np.median(shares)))

    def _new_categories(
        self, day: date, profile: ColumnProfile, usual: Sequence[ColumnProfile], together: ColumnProfile
    ) -> Iterator[Finding]:
        seen = [_share_outside(one, _without_day(usual, one)) for one in usual]
        found = _share_outside(profile, together.values)
        limit = _limit(seen)
        if found > limit:
            new = profile.values[~np.isin(profile.values, together.values)]
            words = (
                f"{found:.1%} of the rows have one of {len(new)} categories that no day before had{_UNTIL}"
            )
            yield self._broken(day, words, value=found, limit=limit, expected=float(np.median(seen)))

    def _lost_categories(
        self, day: date, profile: ColumnProfile, usual: Sequence[ColumnProfile]
    ) -> Iterator[Finding]:
        """Name categories that every day had and this one has not: a mapping broke, or gives one code throughout."""
        values = usual[0].values
        least = np.min([_shares_of(one, values) for one in usual], axis=0)
        lost = (least > 0) & ~np.isin(values, profile.values)
        found = float(least[lost].sum())
        if found > SMALLEST_JUMP and found * profile.present >= _EXPECTED_ROWS:
            words = (
                f"{int(lost.sum())} categories have no row; on each of {len(usual)} days before they had at least "
                f"{found:.1%} of the rows{_UNTIL}"
            )
            yield self._broken(day, words, value=0.0, limit=SMALLEST_JUMP, expected=found)

    def _unit(self, day: date, profile: ColumnProfile, together: ColumnProfile) -> Iterator[Finding]:
        theirs, ours = _quantiles(together), _quantiles(profile)
        if (theirs == 0).any() or (ours == 0).any() or (np.sign(theirs) != np.sign(ours)).any():
            return
        factors = ours / theirs
        factor = float(np.median(factors))
        if 1 / UNIT_FACTOR < factor < UNIT_FACTOR:
            return
        bins = bins_of(together, is_category=False)
        reference = bins.counts(together)
        before = float(moved_share(bins.counts(profile), reference))
        scaled = ColumnProfile(profile.rows, profile.missing, profile.values / factor, profile.counts)
        after = float(moved_share(bins.counts(scaled), reference))
        if before > 0.3 and after < 0.5 * before:
            words = f"all values are {factor:.4g} times what they were: has the unit changed?"
            yield self._broken(day, words, value=factor, limit=UNIT_FACTOR, expected=1.0)

    def _range(self, day: date, profile: ColumnProfile, together: ColumnProfile) -> Iterator[Finding]:
        low, high = together.values[0], together.values[-1]
        margin = 0.1 * (high - low)
        outside = (profile.values < low - margin) | (profile.values > high + margin)
        found = float(profile.counts[outside].sum() / profile.present)
        if found > SMALLEST_JUMP:
            words = (
                f"{found:.1%} of the values lie outside {low:.4g} to {high:.4g}, where all days before lay"
            )
            yield self._broken(day, words, value=found, limit=SMALLEST_JUMP, expected=0.0)

    def _stuck(self, day: date, profile: ColumnProfile, usual: Sequence[ColumnProfile]) -> Iterator[Finding]:
        fewest = min(len(one.values) for one in usual)
        if fewest >= _FEWEST_VALUES and len(profile.values) == 1:
            words = f"every row has the value {profile.values[0]:.4g}, where no day before had under {fewest} values"
            yield self._broken(day, words, value=1.0, limit=float(fewest), expected=float(fewest))

    def _doubled(
        self, day: date, profile: ColumnProfile, usual: Sequence[ColumnProfile]
    ) -> Iterator[Finding]:
        if (profile.counts % 2).any():
            return
        even = np.concatenate([one.counts for one in usual]) % 2 == 0
        share = float(even.mean())
        if max(share, 0.5) ** len(profile.values) > 0.5**_TELLING_VALUES:
            return
        words = (
            f"each of {len(profile.values)} different values comes an even number of times, {share:.1%} did before: "
            "were the day's rows read twice?"
        )
        yield self._broken(day, words, value=1.0, limit=1.0, expected=share)

    def _broken(self, day: date, words: str, *, value: float, limit: float, expected: float) -> Finding:
        return Finding(
            topic="data_quality",
            subject=self.column,
            state="alarm",
            cause="broken",
            reason=f"{day}: {words}",
            value=value,
            expected=expected,
            limit=limit,
            partition=day.isoformat(),
        )


def repeated_days(
    profiles: Mapping[str, Mapping[date, ColumnProfile]], days: Collection[date]
) -> tuple[Finding, ...]:
    """Name each of the days whose columns all have the very values of the day before: a day that was read twice.

    profiles: by column and day, of columns that are as the source gave them: what is counted over weeks, or made of the
    time, differs all the same. Columns with one value say nothing. days: those to be judged.
    """
    found = []
    for day in sorted(days):
        before = date.fromordinal(day.toordinal() - 1)
        pairs = [(one[before], one[day]) for one in profiles.values() if before in one and day in one]
        telling = [(old, new) for old, new in pairs if len(old.values) > 1 and old.rows >= FEWEST_ROWS]
        if sum(len(old.values) - 1 for old, _ in telling) < _TELLING_VALUES:
            continue
        if all(_are_equal(old, new) for old, new in telling):
            found.append(
                Finding(
                    topic="data_quality",
                    subject=WHOLE_DAY,
                    state="alarm",
                    cause="broken",
                    reason=f"{day}: all {len(telling)} columns have the very values of {before}: was a day read twice?",
                    value=1.0,
                    expected=0.0,
                    limit=0.0,
                    partition=day.isoformat(),
                )
            )
    return tuple(found)


def day_faults(
    profiles: Mapping[str, Mapping[date, ColumnProfile]],
    *,
    history: Collection[date],
    days: Collection[date],
    categories: Collection[str] = (),
    as_given: Collection[str] | None = None,
) -> dict[date, tuple[Finding, ...]]:
    """Return the faults of each day that has any, in order.

    A day is compared with the `REMEMBERED_DAYS` newest sound ones before it, so that a world that changes slowly is
    followed, and a fault that stays is never what is usual; but for other categories, after LASTING_DAYS.

    profiles: by column and day. history: the days that say what is usual at first. days: those to be judged, after
    these. categories: the columns whose values are codes. as_given: those that are as the source gave them; all where
    None.
    """
    given = profiles if as_given is None else {name: profiles[name] for name in profiles if name in as_given}
    found: dict[date, list[Finding]] = {}
    for fault in repeated_days(given, days):
        found.setdefault(date.fromisoformat(fault.partition or ""), []).append(fault)
    for column, by_day in profiles.items():
        sound = {day: by_day[day] for day in sorted(history)[-REMEMBERED_DAYS:] if day in by_day}
        lasting = 0
        for day in sorted(days):
            if day not in by_day:
                continue
            judged = DayFaults(column, sound, column in categories)
            faults, others = (
                list(judge(day, by_day[day])) for judge in (judged.faults, judged.other_categories)
            )
            lasting = lasting + 1 if others else 0
            if lasting <= LASTING_DAYS:
                faults += others
            if faults:
                found.setdefault(day, []).extend(faults)
            else:
                sound[day] = by_day[day]
                if len(sound) > REMEMBERED_DAYS:
                    del sound[next(iter(sound))]
    return {day: tuple(found[day]) for day in sorted(found)}


def _are_equal(one: ColumnProfile, other: ColumnProfile) -> bool:
    return (
        one.rows == other.rows
        and one.missing == other.missing
        and np.array_equal(one.values, other.values)
        and np.array_equal(one.counts, other.counts)
    )


def _limit(shares: Sequence[float]) -> float:
    """Twice the span that the history shows, and at least SMALLEST_JUMP, above its worst day."""
    return max(shares) + max(max(shares) - min(shares), SMALLEST_JUMP)


def _share_outside(profile: ColumnProfile, known: np.ndarray) -> float:
    return float(profile.counts[~np.isin(profile.values, known)].sum() / max(profile.present, 1))


def _shares_of(profile: ColumnProfile, values: np.ndarray) -> np.ndarray:
    """Return the share of each value among the rows that have one; values: ascending."""
    place = np.minimum(np.searchsorted(profile.values, values), max(len(profile.values) - 1, 0))
    if not profile.present:
        return np.zeros(len(values))
    counts = np.where(profile.values[place] == values, profile.counts[place], 0)
    return counts / profile.present


def _without_day(usual: Sequence[ColumnProfile], left_out: ColumnProfile) -> np.ndarray:
    return np.unique(np.concatenate([one.values for one in usual if one is not left_out]))


def _quantiles(profile: ColumnProfile) -> np.ndarray:
    below = np.cumsum(profile.counts) / profile.present
    return profile.values[np.searchsorted(below, _QUANTILES - 1e-12)]
