"""A silent day is a broken feed, and is named."""

from datetime import date, timedelta

from mlops_assets.core.monitoring.volume import volume_findings

DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(60)]


def test_a_silent_day_is_named_and_usual_ones_are_well() -> None:
    counts = dict.fromkeys(DAYS, 1000)
    (well,) = volume_findings(counts, days=DAYS[-7:], below=0.1)
    assert (well.state, well.cause) == ("ok", None)
    (silent,) = volume_findings(counts | {DAYS[-2]: 3}, days=DAYS[-7:], below=0.1)
    assert (silent.state, silent.cause, silent.partition) == ("alarm", "broken", DAYS[-2].isoformat())
    assert "3 events, and 1,000 are usual" in silent.reason
    missing = {day: count for day, count in counts.items() if day != DAYS[-3]}
    assert volume_findings(missing, days=DAYS[-7:], below=0.1)[0].partition == DAYS[-3].isoformat()
