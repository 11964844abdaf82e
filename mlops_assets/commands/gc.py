"""`mlops gc`: what may go of tables, reports, bentos and runs by the retention policies, and of online states."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlops_assets.catalogue import load_product
from mlops_assets.core.bento.retention import apply_bento_retention, plan_bento_retention
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.lakehouse.retention import TableRetention, apply_table_retention, plan_table_retention
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.reports import plan_report_retention
from mlops_assets.core.online_store.evict import StoredStates, stored_states
from mlops_assets.core.online_store.kept_views import kept_views
from mlops_assets.core.online_store.opening import is_store_there, open_online_store
from mlops_assets.core.product import Product
from mlops_assets.core.registry.candidate import model_noun
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.run_retention import apply_run_retention, plan_run_retention
from mlops_assets.core.registry.tag_names import EVALUATION_TAG, TRAINING_SET_TAG
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.record import ReleaseRecord
from mlops_assets.core.settings import Settings

Kind = Literal["table files", "reports", "bentos", "runs", "online states"]
TABLE_TAGS = {"training_set": TRAINING_SET_TAG, "evaluation": EVALUATION_TAG}
"""Tables of which a registered version names the version that it was made or judged on."""


@dataclass(frozen=True)
class Removal:
    """What the policy lets go of one kind of one product, and how to delete it."""

    product: str
    kind: Kind
    reason: str
    names: tuple[str, ...]
    size_bytes: int
    oldest: datetime | None
    """None when there is nothing to delete."""
    delete: Callable[[], None]
    unnamed: int = 0
    """Things that are counted only, since their names are those of people."""

    @property
    def count(self) -> int:
        """How many things may go."""
        return len(self.names) + self.unnamed

    def to_json(self) -> dict[str, Any]:
        """Return everything but the deletion as plain JSON values."""
        return {
            "product": self.product,
            "kind": self.kind,
            "count": self.count,
            "bytes": self.size_bytes,
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "reason": self.reason,
            "names": list(self.names),
        }


@dataclass(frozen=True)
class InUse:
    """What a product's registered versions, newest candidates and release plan point to: nothing of it goes."""

    table_versions: dict[str, frozenset[int]]
    runs_and_models: frozenset[str]
    """MLflow run ids and models:/… URIs."""
    bento_versions: frozenset[int]
    bento_tags: frozenset[str]


def plan_gc(settings: Settings, products: Sequence[str], *, now: datetime) -> list[Removal]:
    """Say what each product's retention policy lets go at `now`, one entry per product and kind; deletes nothing.

    Raises: RegistryError or TableError when what is in use cannot be told: then nothing may be deleted.
    """
    return [removal for name in products for removal in _plan(settings, load_product(name), now=now)]


def things_in_use(
    tables: DeltaTables, product: Product, *, versions: Sequence[ModelVersion], record: ReleaseRecord
) -> InUse:
    """Collect what the product still points to.

    Raises: RegistryError when a version's tag does not name a table version.
    """
    candidates, plan = _candidates(tables, product), record.standing
    released = {arm.version for arm in plan.arms} | {plan.previous_champion} if plan else set()
    planned = [record.released_version(n) for n in released if n is not None and record.has_released(n)]
    known = [*versions, *planned]
    table_versions = {
        table: frozenset(_tagged_version(version, tag) for version in known if tag in version.tags)
        for table, tag in TABLE_TAGS.items()
    }
    table_versions["training_set"] |= {row["training_set_version"] for row in candidates}
    built = tables.read(product.name, "bento")["tag"] if tables.exists(product.name, "bento") else ()
    return InUse(
        table_versions=table_versions,
        runs_and_models=frozenset(
            {v.run_id for v in known}
            | {v.model_uri for v in known}
            | {row[column] for row in candidates for column in ("run_id", "model_uri")}
            | (set(plan.evidence.values()) if plan else set())
        ),
        bento_versions=frozenset(version for version in released if version is not None),
        bento_tags=frozenset({*built, *(plan.evidence.values() if plan else ())}),
    )


def _candidates(tables: DeltaTables, product: Product) -> list[dict[str, Any]]:
    nouns = [model_noun(), *(model_noun(variant.name) for variant in product.spec.variants)]
    written = [noun for noun in nouns if tables.exists(product.name, noun)]
    return [row for noun in written for row in tables.read(product.name, noun).iter_rows(named=True)]


def _tagged_version(version: ModelVersion, tag: str) -> int:
    if not version.tags[tag].isdecimal():
        raise RegistryError(
            f"{version.product} version {version.version}: tag {tag} is {version.tags[tag]!r}, no table version; "
            "nothing is deleted while it is unclear what the version needs"
        )
    return int(version.tags[tag])


def _plan(settings: Settings, product: Product, *, now: datetime) -> Iterator[Removal]:
    tables = DeltaTables(settings.tables_uri)
    in_use = things_in_use(
        tables,
        product,
        versions=ModelRegistry(settings.tracking_uri).versions(product.name),
        record=ReleaseControl.of(settings).record(product.name),
    )
    yield _tables(tables, product, in_use, now=now)
    yield _reports(settings, product, now=now)
    yield _bentos(settings, product, in_use)
    yield _runs(settings, product, in_use, now=now)
    yield _online_states(settings, product)


def _tables(tables: DeltaTables, product: Product, in_use: InUse, *, now: datetime) -> Removal:
    days = product.spec.retention.table_history_days
    plans = plan_table_retention(
        tables, product.name, now=now, keep_days=days, protected=in_use.table_versions
    )
    return Removal(
        product=product.name,
        kind="table files",
        reason=f"replaced more than {days} days ago, and of no version that a model was made or judged on",
        names=tuple(f"{plan.table}/{file}" for plan in plans for file in plan.files),
        size_bytes=sum(plan.bytes for plan in plans),
        oldest=min((plan.oldest for plan in plans if plan.oldest), default=None),
        delete=lambda: _delete_table_files(tables, plans, at=now),
    )


def _delete_table_files(tables: DeltaTables, plans: Sequence[TableRetention], *, at: datetime) -> None:
    apply_table_retention(tables, plans, commit=CommitInfo(run_id=f"mlops gc {at:%Y-%m-%dT%H:%M:%SZ}"))


def _reports(settings: Settings, product: Product, *, now: datetime) -> Removal:
    days = product.spec.retention.report_days
    old = [
        report
        for report in plan_report_retention(settings.reports, now=now, keep_days=days)
        if report.path.is_relative_to(settings.reports / product.name)
    ]

    def delete() -> None:
        for report in old:
            report.path.unlink(missing_ok=True)

    return Removal(
        product=product.name,
        kind="reports",
        reason=f"written more than {days} days ago",
        names=tuple(str(report.path.relative_to(settings.reports / product.name)) for report in old),
        size_bytes=sum(report.size_bytes for report in old),
        oldest=old[0].modified_at if old else None,
        delete=delete,
    )


def _bentos(settings: Settings, product: Product, in_use: InUse) -> Removal:
    keep = product.spec.retention.bentos
    old = plan_bento_retention(
        settings.bentos,
        product.name,
        keep=keep,
        protected_versions=in_use.bento_versions,
        protected_tags=in_use.bento_tags,
    )
    return Removal(
        product=product.name,
        kind="bentos",
        reason=f"not in the release plan, and {keep} others are newer",
        names=tuple(bento.tag for bento in old),
        size_bytes=sum(bento.size_bytes for bento in old),
        oldest=old[0].built_at if old else None,
        delete=lambda: apply_bento_retention(old),
    )


def _runs(settings: Settings, product: Product, in_use: InUse, *, now: datetime) -> Removal:
    days = product.spec.retention.unregistered_run_days
    old = plan_run_retention(
        settings.tracking_uri, product.name, now=now, keep_days=days, protected=in_use.runs_and_models
    )
    return Removal(
        product=product.name,
        kind="runs",
        reason=f"ended more than {days} days ago, and no version, candidate or release plan points to it",
        names=tuple(run.run_id for run in old),
        size_bytes=sum(run.size_bytes for run in old),
        oldest=old[0].ended_at if old else None,
        delete=lambda: apply_run_retention(settings.tracking_uri, old),
    )


def _online_states(settings: Settings, product: Product) -> Removal:
    """What a load of `online_features` would evict, without a load."""
    found = _states(settings, product, evicts=False)
    return Removal(
        product=product.name,
        kind="online states",
        reason="no event that is still answered reads them, or no version's features do",
        names=(),
        size_bytes=found.evictable_bytes,
        oldest=None,
        delete=lambda: _evict(settings, product),
        unnamed=found.evictable,
    )


def _evict(settings: Settings, product: Product) -> None:
    _states(settings, product, evicts=True)


def _states(settings: Settings, product: Product, *, evicts: bool) -> StoredStates:
    """Count the states of the product's store, which is not made where it is missing.

    Before a load has noted whose states the store keeps, nothing is known to go.

    Raises: OnlineStoreError when the store does not answer.
    """
    if product.spec.time is None or not is_store_there(settings.online_store, product.name):
        return StoredStates()
    store = open_online_store(settings.online_store, product.name)
    try:
        views = kept_views(store)
        return stored_states(store, views, evicts=evicts) if views else StoredStates()
    finally:
        store.close()
