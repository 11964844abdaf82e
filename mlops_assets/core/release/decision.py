"""What people decide about versions, and whether a version may be released."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tag_names import DECISION_TAG
from mlops_assets.core.registry.version import ModelVersion

DecisionKind = Literal["approved", "rejected", "overridden"]


@dataclass(frozen=True)
class Decision:
    """What a person decided about a version, why, when, and on which evidence.

    `overridden` releases in spite of gates that did not pass. `evidence` is the version's `evidence` at that
    time: an approval or override counts for those verdicts only, a rejection counts for all.

    Raises: RegistryError when who or why is empty, or the time has no zone.
    """

    kind: DecisionKind
    by: str
    reason: str
    at: datetime
    evidence: str

    def __post_init__(self) -> None:
        if not self.by.strip() or not self.reason.strip():
            raise RegistryError(f"a version is {self.kind} by someone and for a reason: give both")
        if self.at.tzinfo is None:
            raise RegistryError(f"time of the decision {self.at} has no time zone: give UTC")


@dataclass(frozen=True)
class ReleaseReadiness:
    """Whether a version may be released; `reasons` says what stands in the way, empty when nothing does."""

    ok: bool
    reasons: tuple[str, ...]
    override: Decision | None
    """The override that the release rests on; None when every gate passed."""


def release_readiness(
    version: ModelVersion, decisions: Sequence[Decision], *, approval: Literal["automatic", "manual"]
) -> ReleaseReadiness:
    """Judge whether `version` may be released: gates passed or overridden, approved if manual, not rejected.

    No verdict at all counts as a gate that did not pass. Only the latest of the `decisions` about it counts, and an
    approval or override only if the verdicts are still those that it was given for.
    """
    latest = decisions[-1] if decisions else None
    if latest is not None and latest.kind == "rejected":
        return ReleaseReadiness(ok=False, reasons=(_told("rejected", latest),), override=None)
    is_current = latest is not None and latest.evidence == version.evidence
    reasons = [f"gate {v.gate}: {v.verdict} ({v.reason})" for v in version.verdicts if v.verdict != "pass"]
    if not version.verdicts:
        reasons.append("no gate was judged yet: materialize the model_version asset")
    override = (
        latest if is_current and latest is not None and latest.kind == "overridden" and reasons else None
    )
    if override is not None:
        reasons = []
    if approval == "manual" and not is_current:
        reasons.append(
            f"no approval: run `mlops approve {version.product} {version.version}`"
            if latest is None
            else f"{_told(latest.kind, latest)}, but for other verdicts than those recorded now: decide again"
        )
    return ReleaseReadiness(ok=not reasons, reasons=tuple(reasons), override=override)


def decision_to_tag(decision: Decision) -> tuple[str, str]:
    """Return the tag's name and value; different decisions never share a name, the same one always does."""
    value = json.dumps({**asdict(decision), "at": decision.at.isoformat()}, sort_keys=True)
    suffix = hashlib.sha256(value.encode()).hexdigest()[:8]
    return f"{DECISION_TAG}/{decision.at:%Y-%m-%dT%H.%M.%S.%f}-{suffix}", value


def decisions_from_tags(tags: Mapping[str, str]) -> tuple[Decision, ...]:
    """Read all decisions, oldest first; of several at the same instant a rejection comes last, to be safe."""
    rows = [json.loads(value) for name, value in tags.items() if name.startswith(f"{DECISION_TAG}/")]
    decisions = [Decision(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]
    return tuple(sorted(decisions, key=lambda d: (d.at, d.kind == "rejected", d.by, d.reason)))


def _told(kind: str, decision: Decision) -> str:
    return f"{kind} by {decision.by} at {decision.at:%Y-%m-%d %H:%M} UTC: {decision.reason}"
