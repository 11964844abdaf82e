"""Decisions that change no plan: each stands in the record once, with who, when, why and a digest of its evidence."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import ReleaseRefusedError
from mlops_assets.core.release.notes import JUDGED, REFUSED, Note, note
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import put_into_plan, roll_back
from mlops_assets_tests.support.homes.small_registry import NOON, PRODUCT, SmallRegistry

ORDER = Order(NOON + timedelta(hours=1), "ann", "because")


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(1)
    return small


def test_a_note_is_added_once_and_again_when_its_evidence_changes(small: SmallRegistry) -> None:
    plan = small.standing()
    first, other = (Note(JUDGED, 2, {"action": action}) for action in ("advance", "roll_back"))
    added = [note(small.control, PRODUCT, one, order=ORDER) for one in (first, first, other, first)]
    assert added == [True, False, True, True]
    assert small.standing() == plan, "a note changes no plan"
    *_, newest = small.control.record(PRODUCT).entries
    assert (newest.kind, newest.version, newest.by, newest.reason) == ("judged", 2, "ann", "because")
    assert newest.at == ORDER.since
    assert newest.detail == {"action": "advance"}
    assert len(str(newest.evidence)) == 64


def test_a_refused_release_is_noted_with_its_reason_and_by_whom(small: SmallRegistry) -> None:
    control = small.control
    for _ in range(2):
        with pytest.raises(ReleaseRefusedError, match="no approval"):
            put_into_plan(
                control, control.version(PRODUCT, 2), mode="blue_green", order=ORDER, approval="manual"
            )
    (refused,) = [entry for entry in control.record(PRODUCT).entries if entry.kind == REFUSED]
    assert (refused.version, refused.by) == (2, "ann")
    assert "no approval: run `mlops approve" in refused.reason
    assert refused.detail == {"asked_for": "because"}


def test_a_refused_rollback_is_noted(small: SmallRegistry) -> None:
    small.release(2)
    roll_back(small.control, PRODUCT, order=ORDER)
    with pytest.raises(ReleaseRefusedError):
        roll_back(small.control, PRODUCT, order=ORDER, to_version=2)
    assert [entry.version for entry in small.control.record(PRODUCT).entries if entry.kind == REFUSED] == [2]


def test_the_first_entry_of_a_record_may_be_a_note(original_registry: SmallRegistry, tmp_path: Path) -> None:
    small = original_registry.copy(tmp_path / "mlflow")
    assert note(small.control, PRODUCT, Note(REFUSED, 1), order=ORDER)
    assert small.control.standing(PRODUCT) is None
    assert small.release(1).sequence == 1
