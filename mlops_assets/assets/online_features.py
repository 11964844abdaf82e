"""The online features: the state that services answer from, loaded from the lakehouse as of a time."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.online.layout import ALLOWED_LATENESS
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.online_store.evict import stored_states
from mlops_assets.core.online_store.load import is_loaded, last_load, load_states, note_load
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.product import Product
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores

LOGGED_STATES = 5_000


class OnlineFeaturesConfig(dg.Config):
    """Until when the state may know things."""

    as_of: str | None = None
    """UTC time in ISO 8601: rows known before it are loaded; null takes everything that the lakehouse knows by now."""


@dataclass(frozen=True)
class OnlineSource:
    """The rows of the lakehouse that a load is made of."""

    as_of: datetime
    events: pl.DataFrame
    labels: pl.DataFrame | None
    events_version: int
    labels_version: int | None


def online_features_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the asset `online_features`; a cohort, whose features need no state, has none."""
    return [] if product.spec.time is None else [_online_features(product)]


def _online_features(product: Product) -> dg.AssetsDefinition:
    view = product.view

    @product_asset(
        product,
        "online_features",
        stage="features",
        kinds={"sqlite", "redis"},
        deps=[upstream(product, noun) for noun in ("events", "labels")],
    )
    def online_features(
        context: dg.AssetExecutionContext,
        config: OnlineFeaturesConfig,
        lakehouse: LakehouseResource,
        online_stores: dg.ResourceParam[OnlineStores],
    ) -> dg.MaterializeResult:
        """One row is a load of the online store: as of when, from which table versions, how many states and rows.

        Made from `events` and `labels` that were known by then. A state holds an entity's rows within the view's
        lookback; what services added stays, and states that no window reaches any more go. Services answer from it, and
        `parity_report` computes what they answered again from the same versions.
        """
        reads = RecordedReads(context, lakehouse.tables, product, noun="online_features")
        source = _read(lakehouse, reads, config)
        with online_stores.opened(product.name) as store:
            reads.value("the time until which rows are known", source.as_of)
            reads.value(
                "the versions that a report reads again", [source.events_version, source.labels_version]
            )
            reads.value("the store", store.identity())
            identity = reads.identity()
            earlier = earlier_result(context, lakehouse.tables, product, "online_features", identity=identity)
            load = hashlib.sha256(identity.to_json().encode()).hexdigest()
            if earlier and is_loaded(store, view) and last_load(store) == load:
                return earlier
            states, changed = _load(context, store, product, source)
            note_load(store, load)
            stored = stored_states(store, view, evicts=True)
            context.log.info(
                f"{stored.out_of_reach:,} of {stored.states:,} states that no window reaches are gone"
            )
            row = _load_row(source, view.digest, store, states=states, changed=changed)
        writes = TableWrites(context, lakehouse, product, "online_features", inputs=identity.to_json())
        writes.commits.append(
            lakehouse.tables.append(product.name, "online_features", row, commit=writes.commit_info)
        )
        return writes.result(
            {
                "as_of": source.as_of.isoformat(),
                "states": states,
                "changed_states": changed,
                "stored_states": stored.states - stored.out_of_reach,
                "stored_bytes": stored.size_bytes - stored.out_of_reach_bytes,
                "evicted_states": stored.out_of_reach,
                "evicted_bytes": stored.out_of_reach_bytes,
            }
        )

    return online_features


def _read(lakehouse: LakehouseResource, reads: RecordedReads, config: OnlineFeaturesConfig) -> OnlineSource:
    """Read what is known before `as_of`, at one version of each table."""
    tables, product = lakehouse.tables, reads.product
    view, name = product.view, product.name
    events_version = tables.delta(name, "events").version()
    labels_version = tables.delta(name, "labels").version() if view.needs_labels else None
    as_of = _as_of(lakehouse, product, config, events_version=events_version, labels_version=labels_version)
    first = (as_of - ALLOWED_LATENESS - view.lookback).date()
    end = as_of.date() + timedelta(days=1)
    events = reads.table(
        "events", columns=view.input_columns, days=DayRange(first, end), version=events_version
    )
    labels = None
    if labels_version is not None:
        days = DayRange(first, end, "known_date")
        labels = reads.table("labels", columns=view.label_columns, days=days, version=labels_version)
    return OnlineSource(as_of, events, labels, events_version, labels_version)


def _as_of(
    lakehouse: LakehouseResource,
    product: Product,
    config: OnlineFeaturesConfig,
    *,
    events_version: int,
    labels_version: int | None,
) -> datetime:
    if config.as_of is not None:
        try:
            asked = datetime.fromisoformat(config.as_of)
        except ValueError as error:
            raise FeatureError(f"as_of is {config.as_of!r}; give a UTC time in ISO 8601") from error
        return asked.replace(tzinfo=UTC) if asked.tzinfo is None else asked.astimezone(UTC)
    versions = {"events": events_version, "labels": labels_version}
    # A state as of the future answers no entity that it does not hold: the store would be of no use until then.
    now = datetime.now(UTC)
    newest = [
        lakehouse.tables.scan(product.name, noun, version=version)
        .filter(pl.col("known_at") <= now)
        .select(pl.col("known_at").max())
        .collect()
        .item()
        for noun, version in versions.items()
        if version is not None
    ]
    known = [at for at in newest if at is not None]
    if not known:
        raise FeatureError(f"{product.name}/events has no rows: materialize events first")
    return max(known) + timedelta(microseconds=1)


def _load(
    context: dg.AssetExecutionContext, store: OnlineStore, product: Product, source: OnlineSource
) -> tuple[int, int]:
    """Load the states and return how many there were, and how many of them changed."""
    states = changed = logged = 0
    for block in load_states(
        store, product.view, build_states(product.view, source.events, source.labels, as_of=source.as_of)
    ):
        states, changed = states + block.states, changed + block.changed
        if states - logged >= LOGGED_STATES:
            logged = states
            context.log.info(f"{states:,} states loaded, {changed:,} of them changed")
    return states, changed


def _load_row(
    source: OnlineSource, view_digest: str, store: OnlineStore, *, states: int, changed: int
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "as_of": [source.as_of],
            "loaded_at": [datetime.now(UTC)],
            "states": [states],
            "changed_states": [changed],
            "event_rows": [source.events.height],
            "label_rows": [None if source.labels is None else source.labels.height],
            "events_version": [source.events_version],
            "labels_version": [source.labels_version],
            "feature_view": [view_digest],
            "store": [store.identity()],
        },
        schema_overrides={"label_rows": pl.Int64, "labels_version": pl.Int64},
    )
