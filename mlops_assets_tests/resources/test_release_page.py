"""What the page of `release` says, on records by hand."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from mlops_assets.core.registry.tags import RegistryEntry
from mlops_assets.core.registry.version import ModelVersion, model_version
from mlops_assets.core.release.plan import Order, release, rollback, start_canary
from mlops_assets.core.release.record import Entry, ReleaseRecord, plan_entry
from mlops_assets.resources.release_page import release_page

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = release(None, Order(NOON, "ann", "every gate passed"), version=1)
SECOND = release(FIRST, Order(NOON + timedelta(hours=1), "run", "every gate passed"), version=2)
BACK = rollback(SECOND, Order(NOON + timedelta(hours=2), "bob", "complaints"))


def version(number: int) -> ModelVersion:
    return model_version("shop", RegistryEntry(number, "run", "models:/m-1", NOON, {}))


def record(*entries: Entry) -> ReleaseRecord:
    return ReleaseRecord("shop", entries)


def test_after_a_rollback_the_page_says_who_answers_and_the_check_fails_with_the_cause() -> None:
    entries = (plan_entry(FIRST, ()), plan_entry(SECOND, ()), plan_entry(BACK, ()))
    page = release_page(record(*entries), newest=version(2), reasons=["rejected by bob: complaints"])
    assert page.metadata["answers"].value == "version 1 answers 100 %"
    assert page.metadata["since"].value == "2026-03-01 14:00:00 UTC"
    assert (page.metadata["released_version"].value, page.metadata["newest_version"].value) == (1, 2)
    assert (page.data_version, page.passed) == ("3", False)
    assert page.description == (
        "version 1 answers 100 %; version 2, the newest, has no part in it: rejected by bob: complaints"
    )


def test_a_canary_is_a_part_in_the_plan_and_named() -> None:
    canary = start_canary(FIRST, Order(NOON, "ann", "try"), version=2, percent=10)
    page = release_page(record(plan_entry(FIRST, ()), plan_entry(canary, ())), newest=version(2), reasons=[])
    assert (page.passed, page.description) == (True, "version 1 answers 90 %, version 2 answers 10 %")


def test_a_released_version_that_would_not_be_released_now_is_told_as_that() -> None:
    page = release_page(record(plan_entry(FIRST, ())), newest=version(1), reasons=["gate auc_floor: fail"])
    assert not page.passed
    assert page.description == (
        "version 1 answers 100 %; version 1 would not be put into a plan now: gate auc_floor: fail"
    )


def test_every_decision_is_a_row_with_when_who_and_why_newest_first() -> None:
    rejected = Entry("rejected", NOON, "bob", "complaints", version=2)
    page = release_page(record(plan_entry(FIRST, ()), rejected), newest=None, reasons=[])
    shown = page.metadata["decisions"]
    assert isinstance(shown, dg.TableMetadataValue)
    assert [dict(row.data) for row in shown.records] == [
        {"at": "2026-03-01 12:00:00 UTC", "what": "version 2 rejected", "by": "bob", "reason": "complaints"},
        {
            "at": "2026-03-01 12:00:00 UTC",
            "what": "plan 1: blue-green: version 1 answers 100 %",
            "by": "ann",
            "reason": "every gate passed",
        },
    ]
    assert (page.metadata["newest_version"].value, page.metadata["record_entries"].value) == ("none", 2)


def test_before_the_first_release_the_page_says_so() -> None:
    page = release_page(record(), newest=version(1), reasons=["no approval"])
    assert (page.data_version, page.passed) == ("0", False)
    assert (
        page.description == "nothing is released yet; version 1, the newest, has no part in it: no approval"
    )
