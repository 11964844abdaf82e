"""Days whose rows arrived late or were corrected: found in the source, ingested again, and followed downstream."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.automation.late_rows import COOLDOWN, LateDecision, changed_days, decide
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.product import Product, Reader
from mlops_assets.definitions import platform_resources
from mlops_assets_tests.support.homes.changed_reader import arriving
from mlops_assets_tests.support.homes.small_home import (
    DATA,
    FIRST_DAY,
    FRAUD,
    INGEST,
    LAST_DAY,
    SmallHome,
    small_product,
)

NOW = datetime(2018, 6, 1, 12, tzinfo=UTC)
LATE_DAY = LAST_DAY - timedelta(days=3)
CHANGED = {LATE_DAY: "86 rows"}


def decided(
    changed: Mapping[date, str],
    *,
    newest: date | None = LAST_DAY,
    ended: Mapping[str, datetime] | None = None,
) -> LateDecision:
    return decide(
        changed=changed, newest=newest, reach=timedelta(days=1, hours=1), now=NOW, ended=ended or {}
    )


def test_days_that_are_as_they_were_wait_and_say_so() -> None:
    assert decided({}).reason == "the source has of the last days what was ingested"
    assert decided({}, newest=None).reason == "no day was ingested yet"


def test_a_changed_day_is_ingested_with_the_days_that_it_reaches_up_to_the_newest() -> None:
    assert decided(CHANGED).days == (LATE_DAY, LATE_DAY + timedelta(days=2))
    assert decided({LAST_DAY: "1 rows"}).days == (LAST_DAY, LAST_DAY)
    both = decided({LATE_DAY: "1", LAST_DAY: "2"})
    assert both.days == (LATE_DAY, LAST_DAY)
    assert both.reason == (
        f"the source has other rows of 2 days from {LATE_DAY} to {LAST_DAY} than were ingested"
    )


def test_the_same_difference_is_asked_for_again_only_after_the_cool_down() -> None:
    key = str(decided(CHANGED).run_key)
    assert decided(CHANGED, ended={key: NOW - COOLDOWN / 2}).action == "wait"
    assert decided(CHANGED, ended={key: NOW - COOLDOWN}).run_key == f"{key}:after-1-runs"
    assert decided({LATE_DAY: "87 rows"}, ended={key: NOW}).action == "ingest"


def late_event(home: SmallHome) -> pl.DataFrame:
    """A new event of LATE_DAY, known at the end of LAST_DAY, and a correction of another one."""
    first = home.read("events").filter(pl.col("event_date") == LATE_DAY).drop("event_date")
    known = pl.lit(datetime(2018, 5, 31, 20, tzinfo=UTC)).cast(first.schema["known_at"])
    new = first[:1].with_columns(pl.col("transaction_id") + 10_000_000, known_at=known)
    return pl.concat([new, first[1:2].with_columns(known_at=known, amount_usd=pl.lit(3.25))])


def bound(home: SmallHome) -> dg.Definitions:
    resources = dg.Definitions(resources=platform_resources(home.settings))
    return dg.Definitions.merge(product_definitions(home.product), resources)


def tick(home: SmallHome) -> dg.RunRequest | str:
    resources = platform_resources(home.settings)
    with home.instance() as instance:
        context = dg.build_sensor_context(
            instance=instance,
            repository_def=bound(home).get_repository_def(),
            resources={name: resources[name] for name in ("lakehouse", "platform")},
        )
        data = bound(home).get_sensor_def(f"{FRAUD}__late_rows").evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else str(data.skip_message)


def run_requested(home: SmallHome, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    with home.instance() as instance:
        return (
            bound(home)
            .resolve_job_def(f"{FRAUD}__daily")
            .execute_in_process(
                instance=instance, tags=dict(request.tags), asset_selection=request.asset_selection
            )
        )


def test_late_and_corrected_events_are_ingested_without_a_hand(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    home = ingested_home.copy(tmp_path / "home")
    assert tick(home) == "the source has of the last days what was ingested"
    late = late_event(home)
    home = home.with_product(lambda product: arriving(product, events=late))
    request = tick(home)
    assert isinstance(request, dg.RunRequest)
    assert set(request.tags.values()) >= {FRAUD, LATE_DAY.isoformat(), LAST_DAY.isoformat()}
    assert request.asset_selection == [home.key(noun) for noun in INGEST]
    assert run_requested(home, request).success
    stored = home.read("events").filter(pl.col("known_at") == late["known_at"][0])
    assert set(stored["transaction_id"]) == set(late["transaction_id"])
    assert home.read("features").height == ingested_home.read("features").height + 1
    assert tick(home) == "the source has of the last days what was ingested"


def test_a_day_before_the_lateness_and_a_lateness_of_none_are_left_alone(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    late = late_event(ingested_home)
    for days, expected in ((2, "the source has of the last days"), (0, "source.lateness_days is 0")):
        product = small_product(source={"lateness_days": days})
        home = replace(ingested_home.copy(tmp_path / f"home{days}"), product=arriving(product, events=late))
        assert str(tick(home)).startswith(expected)


@pytest.mark.parametrize("has_look", [False, True])
def test_a_file_that_grows_is_seen_by_its_cheap_look_and_by_reading_it(
    ingested_home: SmallHome, tmp_path: Path, has_look: bool
) -> None:
    events, labels = ingested_home.read("events").drop("event_date"), ingested_home.read("labels")
    outcomes = labels.unique("transaction_id").select("transaction_id", "is_fraud")
    days = (LAST_DAY - timedelta(days=10), LAST_DAY)
    recent = events.filter(pl.col("event_timestamp").dt.date() >= days[0] - timedelta(days=10))
    file = tmp_path / "transactions.parquet"
    recent.join(outcomes, on="transaction_id", how="left").write_parquet(file)
    product = _reading(file, has_look=has_look)
    home = SmallHome(tmp_path / "home", product)
    home.materialize(*DATA, days=days)

    def changed() -> list[date]:
        return list(changed_days(product, home.tables, cache=tmp_path, days=days))

    assert changed() == []
    grown = pl.concat([recent, late_event(ingested_home)])
    grown.join(outcomes, on="transaction_id", how="left").write_parquet(file)
    assert changed() == [LATE_DAY]
    # An outcome that is there after all: of an event ten days before the day on which it became known.
    became = recent.filter(pl.col("event_timestamp").dt.date() == LATE_DAY - timedelta(days=7))
    missing = became["transaction_id"][0]
    fewer = outcomes.filter(pl.col("transaction_id") != missing)
    recent.join(fewer, on="transaction_id", how="left").write_parquet(file)
    assert changed() == [LATE_DAY]


def _reading(file: Path, *, has_look: bool) -> Product:
    product = small_product(source={"kind": "parquet", "path": str(file), "options": {"label_delay_days": 7}})
    reader = product.readers["parquet"]
    return (
        product if has_look else replace(product, readers={"parquet": Reader(reader.events, reader.labels)})
    )


def test_what_a_late_event_makes_stale_is_its_day_and_the_days_whose_windows_reach_it(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    home = ingested_home.copy(tmp_path / "home").with_product(_looking_back_three_days)
    day = LAST_DAY - timedelta(days=20)
    home.materialize("features", days=(FIRST_DAY, LAST_DAY))
    first = home.read("events").filter(pl.col("event_date") == day).drop("event_date")[:20]
    late = first.with_columns(pl.col("transaction_id") + 10_000_000)
    lookback = home.product.view.lookback // timedelta(days=1)
    home = home.with_product(lambda product: arriving(product, events=late))
    home.materialize(*DATA, days=day)
    graph = bound(home).resolve_asset_graph()
    partitions = graph.get(home.key("features")).partitions_def
    mapping = graph.get_partition_mapping(home.key("features"), home.key("events"))
    assert partitions is not None
    with home.instance() as instance:
        downstream = mapping.get_downstream_partitions_for_partitions(
            partitions.subset_with_partition_keys([day.isoformat()]),
            partitions,
            partitions,
            current_time=NOW,
            dynamic_partitions_store=instance,
        )
    reached = sorted(downstream.get_partition_keys())
    assert (reached[0], reached[-1]) == (day.isoformat(), (day + timedelta(days=lookback)).isoformat())
    before = home.read("features")
    home.materialize("features", days=(day, LAST_DAY))
    changed = home.read("features").join(before, on=list(before.columns), how="anti", nulls_equal=True)
    days = changed["event_date"].unique().sort().to_list()
    assert len(days) > 1
    assert days[0] == day
    assert days[-1].isoformat() <= reached[-1]


def _looking_back_three_days(product: Product) -> Product:
    """The product with nothing but windows over the events of three days."""
    windows = (timedelta(days=3),)
    kept = [
        replace(feature, windows=windows, delay=timedelta(0))
        for feature in product.view.window_features
        if feature.stream == "events"
    ]
    view = replace(product.view, features=tuple({f.feature_name(windows[0]): f for f in kept}.values()))
    spec = product.spec.model_copy(update={"model_features": view.feature_names})
    return replace(product, view=view, spec=spec)
