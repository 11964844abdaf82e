"""What the registry knows of one version: its model, its tags and its gate verdicts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tag_names import (
    AS_OF_TAG,
    DIGEST_TAG,
    FACTS_TAG,
    LIBRARIES_TAG,
    MADE_FROM_TAG,
    THRESHOLD_TAG,
    VERDICTS_TAG,
    VERSION_FACTS,
    VIEW_TAG,
)
from mlops_assets.core.registry.tags import RegistryEntry, RegistryTags

Verdict = Literal["pass", "fail", "inconclusive"]
FACT_WORDS = {
    DIGEST_TAG: "digest",
    THRESHOLD_TAG: "decision threshold",
    VIEW_TAG: "feature view",
    AS_OF_TAG: "as-of time",
    LIBRARIES_TAG: "libraries",
    MADE_FROM_TAG: "identity",
    FACTS_TAG: "copy of the facts",
}
"""What a person calls the facts of a version."""
_COMPARED = tuple(name for name in FACT_WORDS if name != FACTS_TAG)


@dataclass(frozen=True)
class RecordedVerdict:
    """One gate's verdict as it is stored with the version."""

    gate: str
    verdict: Verdict
    reason: str


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
    verdicts: tuple[RecordedVerdict, ...]
    """Empty until the gates were judged."""
    tags: Mapping[str, str]

    @property
    def evidence(self) -> str:
        """First 16 hexadecimal digits of SHA-256 over the model's digest and its verdicts."""
        content = f"{self.digest} {verdicts_to_json(self.verdicts)}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def is_same_version(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell by their tags whether two versions of one run are the same: their models and all their facts are equal."""
    return all(one.get(name) == other.get(name) for name in (DIGEST_TAG, *VERSION_FACTS))


def facts_to_json(tags: Mapping[str, str]) -> str:
    """Return the facts among a version's tags as canonical JSON, for FACTS_TAG; a fact that it lacks is null."""
    facts = {name: tags.get(name) for name in _COMPARED}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def edited_facts(version: ModelVersion, known: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return the facts of a version that are not what they were when it was registered: tag to what it was.

    Nothing tells of a version of before FACTS_TAG, unless `known` has its tags of an earlier time.
    """
    if known is None:
        text = version.tags.get(FACTS_TAG)
        try:
            known = dict(json.loads(text)) if text else version.tags
        except (ValueError, TypeError):
            return {FACTS_TAG: None}
    return {name: known.get(name) for name in _COMPARED if known.get(name) != version.tags.get(name)}


def verdicts_to_json(verdicts: Sequence[RecordedVerdict]) -> str:
    """Return the verdicts as canonical JSON, in the order of the gates' names."""
    rows = [asdict(verdict) for verdict in sorted(verdicts, key=lambda verdict: verdict.gate)]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def verdicts_from_tags(tags: Mapping[str, str]) -> tuple[RecordedVerdict, ...]:
    """Read what `verdicts_to_json` wrote into VERDICTS_TAG; empty when the tag is missing."""
    return tuple(RecordedVerdict(**row) for row in json.loads(tags.get(VERDICTS_TAG, "[]")))


def find_version(tags: RegistryTags, product: str, version: int) -> ModelVersion:
    """Return one version as the registry has it.

    Raises: RegistryError when there is none of that number.
    """
    entry = tags.version(product, version)
    if entry is None:
        numbers = tags.versions(product)
        there_are = f"it has {', '.join(map(str, numbers))}" if numbers else "it has none yet"
        raise RegistryError(f"{product} has no version {version}; {there_are}")
    return model_version(product, entry)


def model_version(product: str, entry: RegistryEntry) -> ModelVersion:
    """Return what the registry's entry says, read by the platform's own tags."""
    return ModelVersion(
        product=product,
        version=entry.version,
        run_id=entry.run_id,
        model_uri=entry.model_uri,
        digest=entry.tags.get(DIGEST_TAG, ""),
        created_at=entry.created_at,
        verdicts=verdicts_from_tags(entry.tags),
        tags=dict(entry.tags),
    )
