"""Golden requests: recent events, the state that serving would have had when they came, and what they must get."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from polars import selectors

from mlops_assets.core.contracts.contract import event_columns
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.layout import ALLOWED_LATENESS
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.model.trained_model import TrainedModel, feature_matrix
from mlops_assets.core.product import Product
from mlops_assets.core.times import KNOWN_AT, RFC_3339

MAXIMUM_EVENTS = 100


@dataclass(frozen=True)
class GoldenRequests:
    """Events as requests send them, in the order in which they are sent, with their offline answers."""

    product: str
    events: tuple[dict[str, object], ...]
    states: tuple[tuple[str, bytes], ...]
    """Key and content of the online states as of the first event's time; empty for a cohort."""
    vectors: tuple[tuple[float | None, ...], ...]
    """Features by the offline executor, in the model's order; None is null."""
    scores: tuple[float, ...]


def golden_history(
    product: Product, events: pl.LazyFrame, labels: pl.LazyFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Read from the tables what golden requests need: the newest events, and the history of their entities.

    For a cohort the first members by id.
    """
    time, key = product.view.event_timestamp, product.spec.id_column
    columns = event_columns(product.event_schema)
    if time is None:
        return events.select(columns).sort(key).head(MAXIMUM_EVENTS).collect(), None
    newest = events.select(pl.col(time).max()).collect().item()
    start = newest - product.view.lookback - 2 * ALLOWED_LATENESS
    recent = events.select(columns).filter(pl.col(time) > start)
    chosen = recent.sort(time, key).tail(MAXIMUM_EVENTS).collect()
    entities = dict.fromkeys(feature.entity for feature in product.view.window_features)
    is_theirs = [pl.col(entity).is_in(chosen[entity].unique().to_list()) for entity in entities]
    history = recent.filter(pl.any_horizontal(is_theirs)).collect()
    if labels is None:
        return history, None
    return history, labels.filter(pl.col(key).is_in(history[key].unique().to_list())).collect()


def golden_requests(
    product: Product, model: TrainedModel, events: pl.DataFrame, labels: pl.DataFrame | None
) -> GoldenRequests:
    """Take the newest of `events` as requests (of a cohort the first by id), at most MAXIMUM_EVENTS.

    States and offline answers rest on what was known before the first of them, and on the requests themselves.
    Raises: PackagingError when there is no event; FeatureError as `compute_features` does.
    """
    if events.is_empty():
        raise PackagingError(f"{product.name}: a golden request needs at least one event, but there is none")
    view, key = product.view, product.spec.id_column
    if view.event_timestamp is None:
        asked = events.sort(key).head(MAXIMUM_EVENTS)
        return _answered(product, model, asked, compute_features(view, asked, None), ())
    first_versions = events.sort(KNOWN_AT).unique(key, keep="first", maintain_order=True)
    asked = first_versions.sort(view.event_timestamp, key).tail(MAXIMUM_EVENTS)
    as_of = asked[view.event_timestamp][0]
    if not isinstance(as_of, datetime):
        raise PackagingError(
            f"{product.name}: {view.event_timestamp} of a golden request is {as_of!r}, no time"
        )
    history = events.filter(pl.col(KNOWN_AT) < as_of)
    known = labels.filter(pl.col(KNOWN_AT) < as_of) if labels is not None and view.needs_labels else None
    if view.needs_labels and known is None:
        raise PackagingError(f"{product.name}: the features read labels, but golden requests were given none")
    states = tuple(build_states(view, history, known, as_of=as_of))
    features = compute_features(view, pl.concat([history, asked]), known, start=as_of)
    return _answered(product, model, asked, features, states)


def _answered(
    product: Product,
    model: TrainedModel,
    asked: pl.DataFrame,
    features: pl.DataFrame,
    states: tuple[tuple[str, bytes], ...],
) -> GoldenRequests:
    key = product.spec.id_column
    ordered = asked.select(key).join(features, on=key, how="left", maintain_order="left")
    matrix = feature_matrix(ordered, model.feature_names)
    vectors = ordered.select(pl.col(model.feature_names).cast(pl.Float64)).rows()
    return GoldenRequests(
        product=product.name,
        events=tuple(as_request(asked).to_dicts()),
        states=states,
        vectors=tuple(vectors),
        scores=tuple(model.predict_matrix(matrix).tolist()),
    )


def as_request(events: pl.DataFrame) -> pl.DataFrame:
    """Return events as JSON carries them: times as RFC 3339 texts in UTC."""
    times = selectors.datetime().dt.convert_time_zone("UTC").dt.strftime(RFC_3339)
    return events.with_columns(times)


def example_event(product: Product) -> dict[str, object]:
    """Return an event of the product's sample, as a request would send it: it shows no real one to anybody."""
    columns = [name for name in event_columns(product.event_schema) if name != KNOWN_AT]
    return as_request(product.sample(0).events.select(columns).head(1)).row(0, named=True)
