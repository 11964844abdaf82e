"""When a version may be released."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.version import ModelVersion, RecordedVerdict, Verdict
from mlops_assets.core.release.decision import (
    Decision,
    DecisionKind,
    decision_to_tag,
    decisions_from_tags,
    release_readiness,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNJUDGED = ModelVersion(
    product="fraud_detection",
    version=3,
    run_id="r",
    model_uri="models:/m-1",
    digest="d" * 64,
    created_at=NOON,
    verdicts=(),
    tags={},
)


def judged(*verdicts: Verdict) -> ModelVersion:
    return replace(
        UNJUDGED, verdicts=tuple(RecordedVerdict(f"gate_{i}", v, f"why {i}") for i, v in enumerate(verdicts))
    )


def decided(version: ModelVersion, *kinds: DecisionKind) -> tuple[Decision, ...]:
    return tuple(
        Decision(kind, f"person {i}", f"reason {i}", NOON + timedelta(hours=i), version.evidence)
        for i, kind in enumerate(kinds)
    )


def test_passed_gates_are_ready_by_themselves_only_where_approval_is_automatic() -> None:
    version = judged("pass", "pass")
    assert release_readiness(version, (), approval="automatic").ok
    manual = release_readiness(version, (), approval="manual")
    assert not manual.ok
    assert manual.reasons == ("no approval: run `mlops approve fraud_detection 3`",)
    assert release_readiness(version, decided(version, "approved"), approval="manual").ok


@pytest.mark.parametrize("approval", ["automatic", "manual"])
@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
def test_anything_but_a_pass_blocks_even_when_approved(
    verdict: Verdict, approval: Literal["automatic", "manual"]
) -> None:
    version = judged("pass", verdict)
    readiness = release_readiness(version, decided(version, "approved"), approval=approval)
    assert readiness.reasons == (f"gate gate_1: {verdict} (why 1)",)


@pytest.mark.parametrize("approval", ["automatic", "manual"])
def test_a_version_that_no_gate_judged_is_not_ready(approval: Literal["automatic", "manual"]) -> None:
    readiness = release_readiness(UNJUDGED, decided(UNJUDGED, "approved"), approval=approval)
    assert "no gate was judged" in readiness.reasons[0]


def test_an_override_releases_a_failed_version_and_is_named() -> None:
    version = judged("fail")
    readiness = release_readiness(version, decided(version, "overridden"), approval="manual")
    assert readiness.ok
    assert readiness.override is not None
    assert readiness.override.by == "person 0"


def test_an_override_that_was_not_needed_is_not_what_the_release_rests_on() -> None:
    version = judged("pass")
    assert release_readiness(version, decided(version, "overridden"), approval="manual").override is None


@pytest.mark.parametrize("approval", ["automatic", "manual"])
def test_the_latest_decision_counts(approval: Literal["automatic", "manual"]) -> None:
    version = judged("pass")
    rejected = release_readiness(version, decided(version, "approved", "rejected"), approval=approval)
    assert rejected.reasons == ("rejected by person 1 at 2026-03-01 13:00 UTC: reason 1",)
    assert release_readiness(version, decided(version, "rejected", "approved"), approval=approval).ok


def test_an_approval_does_not_count_for_verdicts_that_came_later() -> None:
    approved = decided(judged("pass"), "approved")
    readiness = release_readiness(judged("pass", "pass"), approved, approval="manual")
    assert "for other verdicts than those recorded now" in readiness.reasons[0]
    overridden = decided(judged("fail"), "overridden")
    assert not release_readiness(judged("fail", "fail"), overridden, approval="automatic").ok


def test_a_rejection_counts_whatever_the_verdicts_became() -> None:
    rejected = decided(judged("fail"), "rejected")
    assert not release_readiness(judged("pass"), rejected, approval="automatic").ok


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("ann", " ")])
def test_a_decision_without_who_or_why_is_refused(by: str, reason: str) -> None:
    with pytest.raises(RegistryError, match="by someone and for a reason"):
        Decision("approved", by, reason, NOON, "e")


def test_a_decision_has_a_time_zone() -> None:
    with pytest.raises(RegistryError, match="no time zone"):
        Decision("approved", "ann", "why", NOON.replace(tzinfo=None), "e")


@given(
    st.lists(
        st.builds(
            Decision,
            kind=st.sampled_from(["approved", "rejected", "overridden"]),
            by=st.sampled_from(["ann", "bob"]),
            reason=st.sampled_from(["x", "y"]),
            at=st.sampled_from([NOON, NOON + timedelta(microseconds=1)]),
            evidence=st.sampled_from(["e1", "e2"]),
        )
    )
)
def test_tags_keep_every_distinct_decision_and_never_lose_one(decisions: list[Decision]) -> None:
    tags = dict(decision_to_tag(decision) for decision in decisions)
    found = decisions_from_tags({**tags, "mlops/digest": "unrelated"})
    assert set(found) == set(decisions)
    assert [d.at for d in found] == sorted(d.at for d in found)
    at_noon = [d.kind for d in found if d.at == NOON]
    assert "rejected" not in at_noon or at_noon[-1] == "rejected"
