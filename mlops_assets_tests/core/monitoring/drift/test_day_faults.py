"""Each fault of a day is named with its column and its day; a world that changes slowly is none."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.monitoring.drift.day_faults import FEWEST_DAYS, LASTING_DAYS, day_faults
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.profile import ColumnProfile, profile_column

FIRST = date(2026, 1, 1)
HISTORY = [FIRST + timedelta(days=n) for n in range(40)]
TODAY = HISTORY[-1] + timedelta(days=1)
Columns = dict[str, np.ndarray]


def _day(seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    rows = 400
    return {
        "amount_usd": rng.lognormal(3.5, 0.8, rows),
        "temperature": rng.normal(290, 3, rows),
        "shop": rng.integers(0, 20, rows).astype(float),
        "age": np.where(rng.random(rows) < 0.1, np.nan, rng.uniform(18, 90, rows)),
    }


def _faults(today: Columns, *, days: int = 40) -> tuple[Finding, ...]:
    every = {day: _day(number) for number, day in enumerate(HISTORY[-days:])} | {TODAY: today}
    profiles: dict[str, dict[date, ColumnProfile]] = {
        name: {
            day: profile_column(pl.Series(columns[name]), is_category=name == "shop")
            for day, columns in every.items()
        }
        for name in today
    }
    found = day_faults(profiles, history=HISTORY[-days:], days=[TODAY], categories=("shop",))
    return tuple(fault for faults in found.values() for fault in faults)


def _changed(**change: Callable[[np.ndarray], np.ndarray]) -> Columns:
    today = _day(999)
    return today | {name: function(today[name]) for name, function in change.items()}


@pytest.mark.parametrize("seed", range(20))
def test_a_usual_day_has_no_fault(seed: int) -> None:
    assert _faults(_day(5000 + seed)) == ()


@pytest.mark.parametrize(
    ("column", "change", "told"),
    [
        ("amount_usd", lambda v: v * 100, "all values are 10"),
        ("amount_usd", lambda v: v / 1000, "has the unit changed"),
        ("temperature", lambda v: v - 273.15, "outside"),
        ("age", lambda v: np.where(np.arange(len(v)) % 2 == 0, np.nan, v), "of the values are missing"),
        ("amount_usd", lambda v: np.full(len(v), np.nan), "100.0% of the values are missing"),
        ("shop", lambda v: v + 100, "20 categories that no day before had"),
        ("temperature", lambda v: np.full(len(v), 290.0), "every row has the value 290"),
    ],
)
def test_a_fault_is_named_with_column_and_day(
    column: str, change: Callable[[np.ndarray], np.ndarray], told: str
) -> None:
    (fault,) = _faults(_changed(**{column: change}))
    assert (fault.subject, fault.state, fault.cause) == (column, "alarm", "broken")
    assert fault.partition == TODAY.isoformat()
    assert told in fault.reason


def test_a_day_that_was_read_twice_is_named_once() -> None:
    (fault,) = _faults(_day(39))
    assert fault.subject == "events"
    assert "the very values of 2026-02-09" in fault.reason


def test_a_day_that_was_read_twice_is_named_by_what_the_source_gave() -> None:
    every = {day: _day(number) for number, day in enumerate(HISTORY)} | {TODAY: _day(39)}
    profiles = {
        name: {day: profile_column(pl.Series(columns[name])) for day, columns in every.items()}
        for name in ("amount_usd", "temperature")
    }
    profiles["days_open"] = {
        day: profile_column(pl.Series([float(number)] * 200 + [number + 1.0] * 200))
        for number, day in enumerate(every)
    }
    assert not day_faults(profiles, history=HISTORY, days=[TODAY])
    given = ("amount_usd", "temperature")
    assert list(day_faults(profiles, history=HISTORY, days=[TODAY], as_given=given)) == [TODAY]


def test_flags_that_are_as_often_set_as_on_the_day_before_are_chance() -> None:
    flags = [profile_column(pl.Series([1.0] * 30 + [0.0] * 30)) for _ in range(41)]
    profiles = {"is_new": dict(zip([*HISTORY, TODAY], flags, strict=True))}
    assert not day_faults(profiles, history=HISTORY, days=[TODAY])


def test_a_changed_world_is_not_broken() -> None:
    assert _faults(_changed(amount_usd=lambda v: v * 1.5, age=lambda v: v * 0.8)) == ()


def test_too_short_a_history_says_nothing() -> None:
    assert _faults(_changed(amount_usd=lambda v: v * 100), days=FEWEST_DAYS - 1) == ()


def test_a_fault_that_stays_stays_a_fault_and_a_world_that_changes_slowly_is_followed() -> None:
    later = [TODAY + timedelta(days=n) for n in range(90)]
    broken = {
        day: _day(n) | {"amount_usd": 100 * _day(n)["amount_usd"]} for n, day in enumerate(later, start=100)
    }
    slow = {day: _day(n) | {"amount_usd": 1.02**n * _day(n)["amount_usd"]} for n, day in enumerate(later)}
    for world, expected in ((broken, later), (slow, [])):
        every = {day: _day(number) for number, day in enumerate(HISTORY)} | world
        amounts = {day: profile_column(pl.Series(columns["amount_usd"])) for day, columns in every.items()}
        faults = day_faults({"amount_usd": amounts}, history=HISTORY, days=later)
        assert list(faults) == expected


def test_a_day_whose_rows_come_twice_is_named_unless_that_is_usual() -> None:
    twice = {name: np.concatenate([values, values]) for name, values in _day(99).items()}
    found = [fault for fault in _faults(twice) if "read twice" in fault.reason]
    assert {fault.subject for fault in found} == {"amount_usd", "temperature", "age"}
    assert {fault.partition for fault in found} == {TODAY.isoformat()}
    pairs = {
        day: profile_column(pl.Series(np.repeat(_day(number)["amount_usd"], 2)))
        for number, day in enumerate([*HISTORY, TODAY])
    }
    assert not day_faults({"amount_usd": pairs}, history=HISTORY, days=[TODAY])


@pytest.mark.parametrize(
    ("change", "is_lost"),
    [
        (lambda codes: np.full_like(codes, 3.0), True),
        (lambda codes: np.where(codes < 10, 12.0, codes), True),
        (lambda codes: np.where(codes == 4, 5.0, codes), False),  # a twentieth of the rows
    ],
    ids=["one code", "half of the codes are gone", "one of twenty is gone"],
)
def test_categories_that_every_day_had_are_missed(
    change: Callable[[np.ndarray], np.ndarray], is_lost: bool
) -> None:
    found = [fault for fault in _faults(_changed(shop=change)) if "have no row" in fault.reason]
    assert [(fault.subject, fault.partition) for fault in found] == (
        [("shop", TODAY.isoformat())] if is_lost else []
    )


@pytest.mark.parametrize(
    "change",
    [lambda codes: np.where(codes < 10, 12.0, codes), lambda codes: np.where(codes < 5, codes + 50, codes)],
    ids=["gone", "new"],
)
@pytest.mark.parametrize("silent", [(), (3, 4)], ids=["every day", "two days without rows"])
def test_other_categories_that_stay_are_a_change_of_the_world_and_not_a_fault_for_ever(
    change: Callable[[np.ndarray], np.ndarray], silent: tuple[int, ...]
) -> None:
    days = [TODAY + timedelta(days=number) for number in range(60) if number not in silent]
    usual = {day: _day(number)["shop"] for number, day in enumerate(HISTORY)}
    other = {day: change(_day(100 + number)["shop"]) for number, day in enumerate(days)}
    profiles = {
        day: profile_column(pl.Series(codes), is_category=True) for day, codes in {**usual, **other}.items()
    }
    found = day_faults({"shop": profiles}, history=HISTORY, days=days, categories=("shop",))
    assert list(found) == days[:LASTING_DAYS]
    assert all("counts as a change" in fault.reason for faults in found.values() for fault in faults)


def test_categories_that_come_back_begin_anew() -> None:
    days = [TODAY + timedelta(days=number) for number in range(60)]
    back = days[20]
    codes = {day: _day(number)["shop"] for number, day in enumerate([*HISTORY, *days])}
    lost = {day: np.where((codes[day] < 10) & (day != back), 12.0, codes[day]) for day in days}
    profiles = {
        day: profile_column(pl.Series(values), is_category=True) for day, values in {**codes, **lost}.items()
    }
    found = day_faults({"shop": profiles}, history=HISTORY, days=days, categories=("shop",))
    assert list(found) == [day for day in days[: 21 + LASTING_DAYS] if day != back]


def test_another_unit_is_a_fault_for_as_long_as_it_stays() -> None:
    days = [TODAY + timedelta(days=number) for number in range(60)]
    amounts = {day: _day(number)["amount_usd"] for number, day in enumerate([*HISTORY, *days])}
    profiles = {
        day: profile_column(pl.Series(values * (100 if day in days else 1)))
        for day, values in amounts.items()
    }
    assert list(day_faults({"amount_usd": profiles}, history=HISTORY, days=days)) == days


def _amounts(day: int, *, rows: int = 400, paired: float = 0.0, times: int = 1) -> ColumnProfile:
    """A day of amounts: a share of the rows comes in pairs; all of them so many times."""
    rng = np.random.default_rng(day)
    drawn = np.round(rng.lognormal(3.5, 0.8, rows))
    pairs = np.where(rng.random(rows) < paired, 2, 1)
    return profile_column(pl.Series(np.tile(np.repeat(drawn, pairs), times)))


def _told_of_today(history: dict[date, ColumnProfile], today: ColumnProfile) -> list[str]:
    found = day_faults({"amount_usd": history | {TODAY: today}}, history=list(history), days=[TODAY])
    return [fault.reason for faults in found.values() for fault in faults]


def test_a_doubled_day_is_named_though_one_of_the_history_was_doubled_too() -> None:
    history = {day: _amounts(number, times=1 + (number == 7)) for number, day in enumerate(HISTORY)}
    (told,) = _told_of_today(history, _amounts(99, times=2))
    assert "read twice" in told


def test_rows_that_come_in_pairs_nearly_always_are_not_read_twice() -> None:
    history = {day: _amounts(number, paired=0.99) for number, day in enumerate(HISTORY)}
    quiet = [_amounts(seed, rows=60, paired=0.99) for seed in range(100, 200)]
    all_even = [one for one in quiet if not (one.counts % 2).any() and len(one.values) >= 40]
    assert all_even, "some of the quiet days have no odd count"
    assert [_told_of_today(history, one) for one in all_even] == [[]] * len(all_even)
