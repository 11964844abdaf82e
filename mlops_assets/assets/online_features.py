"""The online features: the state that services answer from, loaded from the lakehouse as of a time."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl

from mlops_assets.assets.served_predictions import landing_table
from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.served_requests import served_requests
from mlops_assets.assets.support.table_writes import Shown, TableWrites
from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.online.layout import ALLOWED_LATENESS
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.online_store.evict import StoredStates, stored_states
from mlops_assets.core.online_store.kept_views import keep_views, kept_views
from mlops_assets.core.online_store.load import is_loaded, last_load, load_states, note_load
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.parity.replay import captured_events
from mlops_assets.core.predictions.captured import LandingTable
from mlops_assets.core.product import Product
from mlops_assets.core.serving.views_to_keep import views_to_keep
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

LOGGED_STATES = 5_000
NOTICED_SECONDS = 3.0
"""Within it every service has noticed that the store keeps another view: they look every second, and a request that
read before takes no longer.
"""


class OnlineFeaturesConfig(dg.Config):
    """Until when the state may know things."""

    as_of: str | None = None
    """UTC time in ISO 8601: rows known before it are loaded; null takes everything that the lakehouse knows by now."""


@dataclass(frozen=True)
class OnlineSource:
    """The rows that a load is made of."""

    as_of: datetime
    first: date
    """Day of the oldest rows."""
    events: pl.DataFrame
    """In the columns of all views."""
    labels: pl.DataFrame | None
    events_version: int
    labels_version: int | None
    requests: pl.DataFrame | None = None
    """Those that were served, see `served_requests`; None where the store has them in the states of all views."""


@dataclass(frozen=True)
class LoadedView:
    """What was loaded for one view."""

    view: FeatureView
    states: int
    changed: int


def online_features_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the asset `online_features`; a cohort, whose features need no state, has none."""
    return [] if product.spec.time is None else [_online_features(product)]


def _online_features(product: Product) -> dg.AssetsDefinition:
    landing = landing_table(product)

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
        tracking: TrackingResource,
        online_stores: dg.ResourceParam[OnlineStores],
    ) -> dg.MaterializeResult:
        """One row is a load of the online store for a feature view: as of when, from which table versions, how much.

        Made from `events` and `labels` that were known by then, for the declared view and those of the versions that
        services answer with or may have to: of the latest release plans, and the newest one. A state holds an entity's
        rows within the view's lookback; what services added stays, and states that nothing reads any more go. A view
        that is new to the store also gets the events that were served and are not in the lakehouse yet. Services answer
        from it, and `parity_report` computes what they answered again.
        """
        reads = RecordedReads(context, lakehouse.tables, product, noun="online_features")
        control = release_control(lakehouse, tracking)
        with online_stores.opened(product.name) as store:
            known = kept_views(store)
            views = views_to_keep(control, product.name, declared=reads.product.view, known=known)
            is_any_new = _announce(context, store, views, known)
            source = _read(lakehouse, reads, config, views)
            if is_any_new:
                source = _with_requests(source, reads, lakehouse, store, landing)
            reads.value("the time until which rows are known", source.as_of)
            reads.value(
                "the versions that a report reads again", [source.events_version, source.labels_version]
            )
            reads.value("the views", [view.digest for view in views])
            reads.value("the store", store.identity())
            identity = reads.identity()
            earlier = earlier_result(context, lakehouse.tables, product, "online_features", identity=identity)
            load = hashlib.sha256(identity.to_json().encode()).hexdigest()
            if earlier and not is_any_new and last_load(store) == load:
                return earlier
            loaded = [_load(context, store, view, source) for view in views]
            keep_views(store, views)
            note_load(store, load)
            stored = stored_states(store, views, evicts=True)
            row = _load_rows(source, store, loaded)
        writes = TableWrites(context, lakehouse, product, "online_features", inputs=identity.to_json())
        writes.commits.append(
            lakehouse.tables.append(product.name, "online_features", row, commit=writes.commit_info)
        )
        return writes.result(_shown(context, source, loaded, stored))

    return online_features


def _announce(
    context: dg.AssetExecutionContext,
    store: OnlineStore,
    views: Sequence[FeatureView],
    known: Sequence[FeatureView],
) -> bool:
    """Let services put events into the states of all views from now on; say whether one is new to the store."""
    noted = {view.digest for view in known}
    new = [view for view in views if view.digest not in noted or not is_loaded(store, view)]
    if not new:
        return False
    keep_views(store, [*known, *new])
    if known:
        context.log.info(
            f"services are to keep the states of feature view {', '.join(view.digest[:12] for view in new)}"
        )
        time.sleep(NOTICED_SECONDS)
    return True


def _read(
    lakehouse: LakehouseResource,
    reads: RecordedReads,
    config: OnlineFeaturesConfig,
    views: Sequence[FeatureView],
) -> OnlineSource:
    """Read what is known before `as_of`, at one version of each table."""
    tables, product = lakehouse.tables, reads.product
    name, needs_labels = product.name, any(view.needs_labels for view in views)
    events_version = tables.delta(name, "events").version()
    labels_version = tables.delta(name, "labels").version() if needs_labels else None
    as_of = _as_of(lakehouse, product, config, events_version=events_version, labels_version=labels_version)
    first = _first_day(as_of, views)
    end = as_of.date() + timedelta(days=1)
    columns = _columns(lakehouse, name, views)
    events = reads.table("events", columns=columns, days=DayRange(first, end), version=events_version)
    labels = None
    if labels_version is not None:
        days = DayRange(first, end, "known_date")
        of_labels = tuple(dict.fromkeys(c for view in views for c in view.label_columns))
        labels = reads.table("labels", columns=of_labels, days=days, version=labels_version)
    return OnlineSource(as_of, first, events, labels, events_version, labels_version)


def _with_requests(
    source: OnlineSource,
    reads: RecordedReads,
    lakehouse: LakehouseResource,
    store: OnlineStore,
    landing: LandingTable,
) -> OnlineSource:
    """The same source with the requests that were served.

    source: what the lakehouse knows. reads, lakehouse: of the run. store, landing: where captured requests are, and go.
    """
    requests = served_requests(store, lakehouse.tables, landing, since=source.first)
    if requests.height:
        reads.rows("served requests", requests)
    return replace(source, requests=requests)


def _first_day(as_of: datetime, views: Sequence[FeatureView]) -> date:
    return (as_of - ALLOWED_LATENESS - max(view.lookback for view in views)).date()


def _columns(lakehouse: LakehouseResource, product: str, views: Sequence[FeatureView]) -> tuple[str, ...]:
    """The columns of events that the views read.

    Raises: FeatureError when the table lacks one.
    """
    there = lakehouse.tables.schema(product, "events")
    for view in views:
        if lacking := [name for name in view.input_columns if name not in there]:
            raise FeatureError(
                f"{product}/events has no column {', '.join(lacking)}, which feature view {view.digest[:12]} reads; a "
                "version of the latest release plans was trained with it: bring the column back"
            )
    return tuple(dict.fromkeys(name for view in views for name in view.input_columns))


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
    context: dg.AssetExecutionContext, store: OnlineStore, view: FeatureView, source: OnlineSource
) -> LoadedView:
    """Load the states of one view."""
    events, labels = source.events.select(view.input_columns), None
    if source.labels is not None and view.needs_labels:
        labels = source.labels.select(view.label_columns)
    served = None
    if source.requests is not None:
        served = captured_events(view, source.requests, dtypes=events.schema)
    states = changed = logged = 0
    made = build_states(view, events, labels, as_of=source.as_of, served=served)
    for block in load_states(store, view, made):
        states, changed = states + block.states, changed + block.changed
        if states - logged >= LOGGED_STATES:
            logged = states
            context.log.info(f"{states:,} states loaded, {changed:,} of them changed")
    return LoadedView(view, states, changed)


def _shown(
    context: dg.AssetExecutionContext,
    source: OnlineSource,
    loaded: Sequence[LoadedView],
    stored: StoredStates,
) -> dict[str, Shown]:
    if stored.evictable:
        context.log.info(
            f"{stored.evictable:,} of {stored.states:,} states are gone: {stored.out_of_reach:,} that no window "
            f"reaches, {stored.of_other_views:,} of feature views that no version answers by"
        )
    return {
        "as_of": source.as_of.isoformat(),
        "feature_views": ", ".join(one.view.digest[:12] for one in loaded),
        "states": sum(one.states for one in loaded),
        "changed_states": sum(one.changed for one in loaded),
        "served_events": 0 if source.requests is None else source.requests.height,
        "stored_states": stored.states - stored.evictable,
        "stored_bytes": stored.size_bytes - stored.evictable_bytes,
        "evicted_states": stored.evictable,
        "evicted_bytes": stored.evictable_bytes,
    }


def _load_rows(source: OnlineSource, store: OnlineStore, loaded: Sequence[LoadedView]) -> pl.DataFrame:
    now, count = datetime.now(UTC), len(loaded)
    return pl.DataFrame(
        {
            "as_of": [source.as_of] * count,
            "loaded_at": [now] * count,
            "states": [one.states for one in loaded],
            "changed_states": [one.changed for one in loaded],
            "event_rows": [source.events.height] * count,
            "label_rows": [None if source.labels is None else source.labels.height] * count,
            "events_version": [source.events_version] * count,
            "labels_version": [source.labels_version] * count,
            "feature_view": [one.view.digest for one in loaded],
            "store": [store.identity()] * count,
        },
        schema_overrides={"label_rows": pl.Int64, "labels_version": pl.Int64},
    )
