"""The mirror of the record in MLflow: the plan and people's decisions as tags, the aliases champion and challenger.

Nobody decides by it. It is written after the record, may lag behind it, and is repaired by whoever finds it so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_assets.core.registry.mlflow_client import answering_registry, mlflow_client
from mlops_assets.core.registry.tag_names import PAST_PLAN_TAG, PLAN_TAG, RECORD_TAG
from mlops_assets.core.registry.tags import RegisteredEntry
from mlops_assets.core.release.decision import decision_to_tag
from mlops_assets.core.release.record import ReleaseRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIASES = ("champion", "challenger")


@dataclass(frozen=True)
class Mirror:
    """What the registered model must show of a record."""

    tags: Mapping[str, str]
    aliases: Mapping[str, int]

    @classmethod
    def of(cls, record: ReleaseRecord) -> "Mirror":
        """Return the mirror of the record."""
        plan = record.standing
        marker = {RECORD_TAG: f"{record.state.table_id} {len(record.entries)}"}
        if plan is None:
            return cls(marker, {})
        other = {"challenger": plan.other.version} if plan.other is not None else {}
        return cls({PLAN_TAG: plan.to_json(), **marker}, {"champion": plan.champion.version, **other})

    def is_shown(self, found: RegisteredEntry) -> bool:
        """Tell whether the registry shows exactly this."""
        aliases = {alias: version for alias, version in found.aliases.items() if alias in ALIASES}
        has_leftovers = any(name.startswith(f"{PAST_PLAN_TAG}/") for name in found.tags)
        shown = {name: found.tags.get(name) for name in self.tags}
        return (shown, aliases) == (dict(self.tags), dict(self.aliases)) and not has_leftovers


def foreign_record(record: ReleaseRecord, found: RegisteredEntry) -> str | None:
    """Return the identity of another lakehouse's record that the registry shows; None when it is this one's or none."""
    shown = found.tags.get(RECORD_TAG, "").split(" ")[0]
    return shown if shown and shown != record.state.table_id else None


def write_mirror(tracking_uri: str, record: ReleaseRecord, found: RegisteredEntry) -> tuple[str, ...]:
    """Bring what the registry shows, `found`, up to the record; return what MLflow refused, in words.

    The decisions come first and the marker that says so last: wherever a process dies, the marker promises nothing that
    is not there.

    Raises: RegistryError when the registry does not answer.
    """
    mirror = Mirror.of(record)
    with answering_registry(tracking_uri):
        writer = _Writer(mlflow_client(tracking_uri), record.product)
        _write_decisions(writer, record, after=_mirrored_rows(found))
        _write_aliases(writer, mirror.aliases, found.aliases)
        for name, value in mirror.tags.items():
            writer.call("set_registered_model_tag", name, value)
        for name in found.tags:
            if name.startswith(f"{PAST_PLAN_TAG}/"):
                writer.call("delete_registered_model_tag", name)
    return tuple(writer.refused)


@dataclass
class _Writer:
    """Calls MLflow's client, and collects what it refuses because the model or version is not there any more."""

    client: "MlflowClient"
    product: str
    refused: list[str] = field(default_factory=list)

    def call(self, method: str, *arguments: str) -> bool:
        """Return whether MLflow did it."""
        from mlflow.exceptions import MlflowException

        try:
            self._repeated(method, *arguments)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self.refused.append(f"{method} {' '.join(arguments[:2])}: {error.message}")
            return False
        return True

    def _repeated(self, method: str, *arguments: str) -> None:
        """Of two that set the same new tag at once MLflow fails one, whose second call finds the tag."""
        from mlflow.exceptions import MlflowException

        try:
            getattr(self.client, method)(self.product, *arguments)
        except MlflowException as error:
            if error.error_code != "BAD_REQUEST":
                raise
            getattr(self.client, method)(self.product, *arguments)


def _mirrored_rows(found: RegisteredEntry) -> int:
    marker = found.tags.get(RECORD_TAG, "").split(" ")
    return int(marker[1]) if len(marker) == 2 and marker[1].isdecimal() else 0


def _write_decisions(writer: _Writer, record: ReleaseRecord, *, after: int) -> None:
    """Write the decisions about versions that rows later than `after` are about."""
    later = {entry.version for entry in record.entries[after:] if entry.version is not None}
    for version in sorted(later):
        for name, value in map(decision_to_tag, record.decisions(version)):
            writer.call("set_model_version_tag", str(version), name, value)


def _write_aliases(writer: _Writer, wanted: Mapping[str, int], found: Mapping[str, int]) -> None:
    for alias in ALIASES:
        version = wanted.get(alias)
        if version is None and alias in found:
            writer.call("delete_registered_model_alias", alias)
        elif version is not None and version != found.get(alias):
            is_shown = writer.call("set_registered_model_alias", alias, str(version))
            if (
                not is_shown and alias in found
            ):  # its version was deleted: no alias is better than a wrong one
                writer.call("delete_registered_model_alias", alias)
