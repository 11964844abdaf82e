"""Days of a window on which hardly any event came: a feed that broke, not a world that changed."""

from collections.abc import Collection, Mapping
from datetime import date

from mlops_assets.core.ingestion.silent_days import silent_event_days
from mlops_assets.core.monitoring.drift.day_faults import WHOLE_DAY
from mlops_assets.core.monitoring.finding import Finding


def volume_findings(
    counts: Mapping[date, int], *, days: Collection[date], below: float
) -> tuple[Finding, ...]:
    """Return a finding per silent day, or one that says that there is none.

    counts: events by day; a day that is missing between the first and the last has none. days: of the window. below:
    share of its weekday's usual events below which a day is silent.
    """
    feed = silent_event_days(counts, judged=days, below=below)
    if not feed.days:
        return (
            Finding(
                topic="data_quality", subject=WHOLE_DAY, state="ok", reason=feed.words, value=1.0, limit=below
            ),
        )
    return tuple(
        Finding(
            topic="data_quality",
            subject=WHOLE_DAY,
            state="alarm",
            cause="broken",
            reason=f"{day}: {count:,} events, and {feed.usual[day]:,.0f} are usual on this day of the week",
            value=count / feed.usual[day],
            expected=1.0,
            limit=below,
            partition=day.isoformat(),
        )
        for day, count in feed.days.items()
    )
