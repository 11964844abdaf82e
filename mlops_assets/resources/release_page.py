"""What the page of the asset `release` says: who answers, since when and why, and who decided what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from mlops_assets.core.free_text import harmless
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import Entry, ReleaseRecord
from mlops_assets.core.release.words import answers, shown, what

CHECK = "release_is_up_to_date"
RECORD_ENTRIES = "record_entries"
"""Metadata: how many entries of the record the page tells of."""
SHOWN_ENTRIES = 50


@dataclass(frozen=True)
class ReleasePage:
    """The page as it follows from the record."""

    metadata: Mapping[str, dg.MetadataValue]
    data_version: str
    """Sequence of the plan that stands, 0 before the first."""
    passed: bool
    """Of the check that the newest version has a part in the plan, and nothing stands against it."""
    description: str
    """Of the check; names the versions that it speaks of."""


def release_page(
    record: ReleaseRecord, *, newest: ModelVersion | None, reasons: Sequence[str]
) -> ReleasePage:
    """Put the page together.

    newest: the version of the newest candidate; None when none is registered. reasons: what stands against it.
    """
    plan = record.standing
    number = newest.version if newest is not None else None
    facts: dict[str, dg.MetadataValue] = {
        "answers": dg.MetadataValue.text(answers(plan)),
        "released_version": _number(plan.champion.version if plan else None),
        "newest_version": _number(number),
        RECORD_ENTRIES: dg.MetadataValue.int(len(record.entries)),
        "decisions": _decisions(record.entries),
    }
    if plan is not None:
        facts["since"] = dg.MetadataValue.text(shown(plan.since))
        facts["by"] = dg.MetadataValue.text(harmless(plan.by))
        facts["reason"] = dg.MetadataValue.text(harmless(plan.reason))
    has_part = plan is not None and number in {arm.version for arm in plan.arms}
    return ReleasePage(
        metadata=facts,
        data_version=str(plan.sequence if plan else 0),
        passed=has_part and not reasons,
        description=_told(plan, number, reasons, has_part=has_part),
    )


def _told(plan: ReleasePlan | None, newest: int | None, reasons: Sequence[str], *, has_part: bool) -> str:
    if newest is None:
        return f"{answers(plan)}; no version is registered"
    if not reasons:
        return (
            answers(plan) if has_part else f"{answers(plan)}; version {newest}, the newest, has no part in it"
        )
    against = harmless("; ".join(reasons))
    if has_part:
        return f"{answers(plan)}; version {newest} would not be put into a plan now: {against}"
    return f"{answers(plan)}; version {newest}, the newest, has no part in it: {against}"


def _number(version: int | None) -> dg.MetadataValue:
    return dg.MetadataValue.text("none") if version is None else dg.MetadataValue.int(version)


def _decisions(entries: Sequence[Entry]) -> dg.MetadataValue:
    """The newest entries first."""
    newest = list(reversed(entries))[:SHOWN_ENTRIES]
    columns = [dg.TableColumn(name, "string") for name in ("at", "what", "by", "reason")]
    records = [
        dg.TableRecord(
            {
                "at": shown(entry.at),
                "what": what(entry),
                "by": harmless(entry.by),
                "reason": harmless(entry.reason),
            }
        )
        for entry in newest
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))
