"""How far apart serving and the lakehouse knew the same events."""

from datetime import UTC, datetime, timedelta

import polars as pl

from mlops_assets.core.parity.arrival_delay import arrival_delay

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
KNOWN = pl.Datetime("us", "UTC")


def events(**hours: float) -> pl.DataFrame:
    """Events known so many hours after noon, by id."""
    at = [NOON + timedelta(hours=late) for late in hours.values()]
    return pl.DataFrame({"id": list(hours), "known_at": at}, schema={"id": pl.String, "known_at": KNOWN})


def test_events_that_the_lakehouse_knew_at_another_time_are_counted_with_their_delay() -> None:
    captured = events(a=0, b=0, c=0, d=1, e=0)
    found = arrival_delay(events(a=0, b=2, c=4, d=0, z=9), captured, id_column="id")
    assert (found.compared, found.apart, found.missing) == (4, 3, 1)
    assert (found.median, found.longest) == (timedelta(hours=2), timedelta(hours=4))
    assert found.words == (
        "arrival delay: the lakehouse knew 3 of 4 captured events at another time than serving did, half of them by "
        "2:00:00 and more, at most by 4:00:00; 1 captured events are not in the lakehouse"
    )


def test_the_first_version_counts_and_without_delay_nothing_is_explained() -> None:
    corrected = pl.concat([events(a=0), events(a=5)])
    for captured in (events(a=0), events()):
        found = arrival_delay(corrected, captured, id_column="id")
        assert (found.apart, found.missing, found.longest) == (0, 0, timedelta(0))
        assert found.words.startswith("unexplained")
