"""What the registry knows of one version: gate verdicts, people's decisions, and whether it may be released.

Pure records and rules.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.core.errors import RegistryError

Verdict = Literal["pass", "fail", "inconclusive"]
DecisionKind = Literal["approved", "rejected", "overridden"]

DIGEST_TAG = "mlops/digest"
VERDICTS_TAG = "mlops/verdicts"
THRESHOLD_TAG = "mlops/threshold"
VIEW_TAG = "mlops/feature_view"
"""Digest of the feature view that the version was trained with."""
TRAINING_SET_TAG = "mlops/training_set_version"
"""Version of the table `training_set` that the version was made from."""
LIBRARIES_TAG = "mlops/libraries"
"""JSON object: name to version of the libraries at training time; of the run, and from there of the version."""
BENTO_TAG = "mlops/bento"
"""Tag of the bento of this version that answered its golden requests right."""
EVALUATION_TAG = "mlops/evaluation_version"
"""Version of the table `evaluation` that holds the version's estimates."""
AS_OF_TAG = "mlops/as_of"
"""When training stopped to know more, ISO; absent for a cohort. A run that is asked for has one of the same name."""
DECISION_TAG = "mlops/decision"
"""Prefix; one tag per decision, so that a later one never replaces an earlier one."""


@dataclass(frozen=True)
class RecordedVerdict:
    """One gate's verdict as it is stored with the version."""

    gate: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Decision:
    """What a person decided about a version, why, when, and on which evidence.

    `overridden` releases in spite of gates that did not pass. `evidence` is the version's `evidence` at that
    time: an approval or override counts for those verdicts only, a rejection counts for all.
    """

    kind: DecisionKind
    by: str
    reason: str
    at: datetime
    evidence: str


@dataclass(frozen=True)
class ModelVersion:
    """One registered version of a product's model."""

    product: str
    version: int
    run_id: str
    model_uri: str
    digest: str
    """SHA-256 of the stored model, see `TrainedModel.digest`."""
    created_at: datetime
    aliases: tuple[str, ...]
    verdicts: tuple[RecordedVerdict, ...]
    """Empty until the gates were judged."""
    decisions: tuple[Decision, ...]
    """All that were ever made, oldest first."""
    tags: Mapping[str, str]

    @property
    def evidence(self) -> str:
        """First 16 hexadecimal digits of SHA-256 over the model's digest and its verdicts."""
        content = f"{self.digest} {verdicts_to_json(self.verdicts)}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ReleaseReadiness:
    """Whether a version may be released; `reasons` says what stands in the way, empty when nothing does."""

    ok: bool
    reasons: tuple[str, ...]
    override: Decision | None
    """The override that the release rests on; None when every gate passed."""


def release_readiness(version: ModelVersion, *, approval: Literal["automatic", "manual"]) -> ReleaseReadiness:
    """Judge whether `version` may be released: gates passed or overridden, approved if manual, not rejected.

    No verdict at all counts as a gate that did not pass. Only the latest decision counts, and an approval or
    override only if the verdicts are still those that it was given for.
    """
    latest = version.decisions[-1] if version.decisions else None
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


def verdicts_to_json(verdicts: Sequence[RecordedVerdict]) -> str:
    """Return the verdicts as canonical JSON, in the order of the gates' names."""
    rows = [asdict(verdict) for verdict in sorted(verdicts, key=lambda verdict: verdict.gate)]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def verdicts_from_tags(tags: Mapping[str, str]) -> tuple[RecordedVerdict, ...]:
    """Read what `verdicts_to_json` wrote into VERDICTS_TAG; empty when the tag is missing."""
    return tuple(RecordedVerdict(**row) for row in json.loads(tags.get(VERDICTS_TAG, "[]")))


def decision_to_tag(decision: Decision) -> tuple[str, str]:
    """Return the tag's name and value; different decisions never share a name, the same one always does.

    Raises: RegistryError when who or why is empty, or the time has no zone.
    """
    if not decision.by.strip() or not decision.reason.strip():
        raise RegistryError(f"a version is {decision.kind} by someone and for a reason: give both")
    if decision.at.tzinfo is None:
        raise RegistryError(f"time of the decision {decision.at} has no time zone: give UTC")
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
