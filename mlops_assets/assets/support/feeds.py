"""Checks that say on which days a feed of events or of outcomes fell silent."""

from collections.abc import Collection, Mapping
from datetime import date

import dagster as dg

from mlops_assets.core.ingestion.silent_days import REMEMBERED, SilentFeed, silent_event_days
from mlops_assets.core.labels.silence import SilentDays
from mlops_assets.core.product import Product

FEED_SPOKE = "feed_spoke"
FEEDS_SPOKE = "feeds_spoke"


def feed_check(product: Product) -> list[dg.AssetCheckSpec]:
    """The check of `events`; none for a cohort, nor where any day may be without events."""
    if not _is_watched(product):
        return []
    return [
        dg.AssetCheckSpec(
            FEED_SPOKE,
            asset=dg.AssetKey([product.name, "events"]),
            description=(
                f"Each day has at least {product.spec.source.silent_below:.0%} of the events that its weekday usually "
                f"has, which the last {REMEMBERED} such days that were not silent say"
            ),
        )
    ]


def feed_spoke(
    product: Product, counts: Mapping[date, int], *, judged: Collection[date]
) -> list[dg.AssetCheckResult]:
    """Judge the days of a run by the stored events of each; it does not block, since an empty day harms no other."""
    if not _is_watched(product):
        return []
    below = product.spec.source.silent_below
    feed = silent_event_days(counts, judged=judged, below=below)
    return [
        dg.AssetCheckResult(
            check_name=FEED_SPOKE,
            passed=not feed.days,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{_span(judged)}: {feed.words}",
            metadata={"silent_days": len(feed.days), "silent_below": below},
        )
    ]


def feeds_check(product: Product) -> list[dg.AssetCheckSpec]:
    """The check of `training_set`; none for a cohort."""
    if product.spec.time is None:
        return []
    key = dg.AssetKey([product.name, "training_set"])
    return [
        dg.AssetCheckSpec(
            FEEDS_SPOKE, asset=key, description="No day is without its events or their outcomes."
        )
    ]


def feeds_spoke(
    feed: SilentFeed, outcomes: SilentDays, *, events: Mapping[date, int], vectors: Mapping[date, int]
) -> dg.AssetCheckResult:
    """Say which days are without their events, without vectors of these, or without the outcomes of theirs.

    events, vectors: how many there are of each day of the training set.
    """
    lacking = [str(day) for day, rows in vectors.items() if rows == 0 and events.get(day)]
    words = [feed.words, outcomes.words]
    if lacking:
        words.append(
            f"{len(lacking)} days have events but no rows in features, the first of them {lacking[0]}"
        )
    return dg.AssetCheckResult(
        check_name=FEEDS_SPOKE,
        passed=not lacking and not feed.days and not outcomes.days,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{_span(vectors)}: {'; '.join(words)}",
        metadata={
            "days_without_events": sum(not events.get(day) for day in vectors),
            "silent_days": len(feed.days),
            "days_without_features": len(lacking),
            "days_without_outcomes": len(outcomes.days),
        },
    )


def _span(days: Collection[date]) -> str:
    """Of which days a check speaks."""
    first, last = min(days), max(days)
    return f"{first}" if first == last else f"{first} to {last}"


def _is_watched(product: Product) -> bool:
    return product.spec.time is not None and product.spec.source.silent_below > 0
