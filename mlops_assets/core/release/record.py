"""The record of a product's releases: the table `decisions`, one row per plan and per decision, in one order.

Everybody who asks what is released reads it. What MLflow shows of it is a mirror.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import get_args

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.lakehouse.ledger import NEVER_WRITTEN, ColumnType, LedgerState, Row
from mlops_assets.core.registry.tag_names import DECISION_TAG
from mlops_assets.core.registry.tags import RegistryEntry
from mlops_assets.core.registry.version import ModelVersion, model_version
from mlops_assets.core.release.decision import Decision, DecisionKind
from mlops_assets.core.release.plan import ReleasePlan

TABLE = "decisions"
COLUMNS: dict[str, ColumnType] = {
    "sequence": "integer",
    "kind": "text",
    "version": "integer",
    "at": "time",
    "by": "text",
    "reason": "text",
    "evidence": "text",
    "plan": "text",
    "detail": "text",
}
"""`plan` and `detail` are JSON; `version` is null for what is about no single version, `plan` for what is no plan."""
PLAN = "plan"
VERSIONS = "versions"
"""Key of `detail`: the facts of the versions that enter a plan."""


@dataclass(frozen=True)
class Entry:
    """One fact about releases: a plan, a person's decision, or what else was decided."""

    kind: str
    """`plan`, `approved`, `rejected`, `overridden`; readers leave alone what they do not know."""
    at: datetime
    by: str
    reason: str
    version: int | None = None
    """The version that it is about; of a plan, the champion."""
    evidence: str | None = None
    """Digest of what it rests on, see `ModelVersion.evidence`."""
    plan: ReleasePlan | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    """What else belongs to it, as JSON values."""

    def to_row(self, sequence: int) -> Row:
        """Return the table's row."""
        return {
            "sequence": sequence,
            "kind": self.kind,
            "version": self.version,
            "at": self.at.astimezone(UTC),
            "by": self.by,
            "reason": self.reason,
            "evidence": self.evidence,
            "plan": self.plan.to_json() if self.plan is not None else None,
            "detail": json.dumps(self.detail, sort_keys=True, separators=(",", ":")) if self.detail else None,
        }

    @classmethod
    def from_row(cls, row: Row) -> "Entry":
        """Read what `to_row` wrote.

        Raises: RegistryError when a plan cannot be read.
        """
        content = {name: value for name, value in row.items() if name != "sequence"}
        plan, detail = content.pop("plan"), content.pop("detail")
        return cls(
            **content,  # pyright: ignore[reportArgumentType]
            plan=ReleasePlan.from_json(str(plan)) if plan is not None else None,
            detail=json.loads(str(detail)) if detail is not None else {},
        )


@dataclass(frozen=True)
class ReleaseRecord:
    """All that was ever decided about a product's releases, oldest first, as it stood at one moment."""

    product: str
    entries: tuple[Entry, ...]
    state: LedgerState = NEVER_WRITTEN
    """Of the table that it was read from; without a version nothing was written yet."""

    @classmethod
    def of_state(cls, product: str, state: LedgerState) -> "ReleaseRecord":
        """Read the table's rows."""
        return cls(product, tuple(Entry.from_row(row) for row in state.rows), state)

    @cached_property
    def plans(self) -> tuple[ReleasePlan, ...]:
        """Every plan that ever stood, the standing one last."""
        return tuple(entry.plan for entry in self.entries if entry.plan is not None)

    @property
    def standing(self) -> ReleasePlan | None:
        """The plan as it stands; None before the first release."""
        return self.plans[-1] if self.plans else None

    def decisions(self, version: int) -> tuple[Decision, ...]:
        """Return people's decisions about the version, oldest first."""
        return tuple(
            Decision(kind, entry.by, entry.reason, entry.at, entry.evidence or "")
            for entry in self.entries
            for kind in get_args(DecisionKind)
            if (entry.kind, entry.version) == (kind, version)
        )

    def released_version(self, version: int) -> ModelVersion:
        """Return the version as it was when it last entered a plan.

        Raises: RegistryError when the record holds nothing of it.
        """
        for entry in reversed(self.entries):
            known = entry.detail.get(VERSIONS)
            if isinstance(known, Mapping) and str(version) in known:
                return _read_version(self.product, version, known[str(version)])
        raise RegistryError(
            f"{self.product}: the release record knows nothing of version {version}: it never had a part in a plan, or "
            "was deleted in MLflow before the record began"
        )

    def has_released(self, version: int) -> bool:
        """Tell whether the version ever had a part in a plan, so that its facts are here."""
        named = (entry.detail.get(VERSIONS) for entry in self.entries)
        return any(isinstance(known, Mapping) and str(version) in known for known in named)

    def rows(self) -> tuple[Row, ...]:
        """Return the rows of the table that holds this record."""
        return tuple(entry.to_row(number) for number, entry in enumerate(self.entries, start=1))

    def followed_by(self, entries: Sequence[Entry]) -> "ReleaseRecord":
        """Return the record with more entries, which are not written yet.

        Raises: RegistryError when a plan does not follow the one before it.
        """
        sequence = self.standing.sequence if self.standing is not None else 0
        for plan in (entry.plan for entry in entries if entry.plan is not None):
            if plan.sequence != sequence + 1:
                raise RegistryError(f"{self.product}: plan {plan.sequence} cannot follow plan {sequence}")
            sequence = plan.sequence
        return replace(self, entries=(*self.entries, *entries))


def plan_entry(plan: ReleasePlan, versions: Sequence[ModelVersion]) -> Entry:
    """Return the entry of a plan; `versions` are those that enter it, whose facts it keeps."""
    return Entry(
        kind=PLAN,
        at=plan.since,
        by=plan.by,
        reason=plan.reason,
        version=plan.champion.version,
        evidence=plan.evidence.get("verdicts"),
        plan=plan,
        detail={VERSIONS: {str(v.version): _write_version(v) for v in versions}} if versions else {},
    )


def decision_entry(version: int, decision: Decision) -> Entry:
    """Return the entry of a person's decision."""
    return Entry(decision.kind, decision.at, decision.by, decision.reason, version, decision.evidence)


def _write_version(version: ModelVersion) -> dict[str, object]:
    tags = {name: value for name, value in version.tags.items() if not name.startswith(f"{DECISION_TAG}/")}
    return {
        "run_id": version.run_id,
        "model_uri": version.model_uri,
        "created_at": version.created_at.isoformat(),
        "tags": tags,
    }


def _read_version(product: str, version: int, content: Mapping[str, object]) -> ModelVersion:
    tags = content["tags"]
    entry = RegistryEntry(
        version=version,
        run_id=str(content["run_id"]),
        model_uri=str(content["model_uri"]),
        created_at=datetime.fromisoformat(str(content["created_at"])),
        tags=tags if isinstance(tags, Mapping) else {},
    )
    return model_version(product, entry)
