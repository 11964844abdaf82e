"""What services captured, back in the lakehouse; and the state that they answer from, loaded from it."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.prediction_record import PredictionRecord, ServedRole, encode_record
from mlops_assets.definitions import platform_resources
from mlops_assets_tests.support.captured import captured_record
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    FRAUD,
    LAST_DAY,
    REPORTS,
    SmallHome,
    metadata_of,
)

SERVED_EVENTS = 20


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path) -> SmallHome:
    return released_home.copy(tmp_path / "home")


def store_of(home: SmallHome) -> OnlineStore:
    return open_online_store(home.settings.online_store, FRAUD)


def capture(home: SmallHome, records: Sequence[PredictionRecord]) -> None:
    store = store_of(home)
    assert store.commit([], [encode_record(record) for record in records])
    store.close()


def served(
    rows: pl.DataFrame, *, version: int, role: ServedRole, score: float = 0.5
) -> list[PredictionRecord]:
    return [
        captured_record(
            row["transaction_id"], version=version, role=role, at=row["event_timestamp"],
            received_at=row["event_timestamp"], score=score,
        )
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip


def tick(home: SmallHome) -> dg.RunRequest | str:
    """What the sensor asks for, or why it does not."""
    definitions = product_definitions(home.product)
    resources = platform_resources(home.settings)
    bound = dg.Definitions.merge(definitions, dg.Definitions(resources=resources))
    sensor = bound.get_sensor_def(f"{FRAUD}__collect_served")
    with home.instance() as instance:
        context = dg.build_sensor_context(
            instance=instance,
            repository_def=bound.get_repository_def(),
            resources={"online_stores": resources["online_stores"]},
        )
        data = sensor.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else str(data.skip_message)


def run_requested(home: SmallHome, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    bound = dg.Definitions.merge(
        product_definitions(home.product), dg.Definitions(resources=platform_resources(home.settings))
    )
    with home.instance() as instance:
        return bound.resolve_job_def(f"{FRAUD}__collect").execute_in_process(
            instance=instance, tags=dict(request.tags)
        )


def test_captured_predictions_are_collected_and_united_with_those_of_the_batch(home: SmallHome) -> None:
    before = home.read("predictions")
    last = before.filter(pl.col("event_date") == LAST_DAY).sort("transaction_id")
    online, shadowed = last.head(SERVED_EVENTS), last.tail(SERVED_EVENTS)
    failed = captured_record(
        shadowed["transaction_id"][0],
        version=3,
        role="challenger",
        at=shadowed["event_timestamp"][0],
        error="broken",
    )
    answered = [
        *served(online, version=1, role="champion"),
        *served(shadowed, version=2, role="shadow", score=0.9),
    ]
    capture(home, [*answered, failed])
    request = tick(home)
    assert isinstance(request, dg.RunRequest)
    assert set(request.tags.values()) >= {LAST_DAY.isoformat(), FRAUD}
    result = run_requested(home, request)
    assert result.success

    shown = metadata_of(result, home.key("served_predictions"))
    assert (shown["collected"].value, shown["errors"].value) == (2 * SERVED_EVENTS + 1, 1)
    assert shown["event_days"].value == f"{LAST_DAY}/{LAST_DAY}"
    after = home.read("predictions")
    assert after.filter(pl.col("event_date") < LAST_DAY).equals(
        before.filter(pl.col("event_date") < LAST_DAY)
    )
    today = after.filter(pl.col("event_date") == LAST_DAY)
    arms = dict(today.group_by("arm").len().iter_rows())
    assert arms == {
        "champion": SERVED_EVENTS, "shadow": SERVED_EVENTS, "batch": last.height - SERVED_EVENTS,
    }  # fmt: skip
    champion = today.filter(pl.col("model_version") == 1)
    assert champion["transaction_id"].sort().equals(last["transaction_id"])
    assert set(champion.filter(pl.col("arm") == "champion")["score"]) == {0.5}
    assert champion["model_as_of"].n_unique() == 1
    assert today["prediction_id"].n_unique() == today.height

    assert tick(home) == "no captured record waits, and predictions holds all that was collected"
    versions = home.table_versions()
    assert run_requested(home, request).success
    assert home.table_versions() == versions


def test_reports_count_an_event_once_whatever_scored_it_beside_the_champion(home: SmallHome) -> None:
    days = (LAST_DAY - timedelta(days=1), LAST_DAY)
    rows = home.read("predictions").filter(pl.col("event_date").is_in(days))
    champion = [
        served(row, version=1, role="champion", score=row["score"][0])[0] for row in rows.iter_slices(1)
    ]
    before = home.read("drift_report")
    capture(home, [*champion, *served(rows, version=2, role="shadow", score=0.9)])
    home.materialize("served_predictions")
    home.materialize("predictions", days=days)
    home.materialize(*REPORTS, days=days)
    assert home.read("predictions").filter(pl.col("arm") == "shadow").height == rows.height
    keys = ["event_date", "column"]
    assert home.read("drift_report").sort(keys).equals(before.sort(keys))


def test_predictions_that_are_collected_late_reach_the_outcomes_of_later_days(home: SmallHome) -> None:
    late = home.read("predictions").filter(pl.col("event_date") == AS_OF).sort("transaction_id")
    capture(home, served(late, version=1, role="champion", score=0.75))
    request = tick(home)
    assert isinstance(request, dg.RunRequest)
    result = run_requested(home, request)
    assert result.success

    known_date = AS_OF + timedelta(days=7)
    outcomes, predictions = home.read("outcomes"), home.read("predictions")
    followed = outcomes.filter(pl.col("event_date") == AS_OF)
    assert followed["known_date"].unique().to_list() == [known_date]
    assert followed["score"].unique().to_list() == [0.75]
    assert outcomes["prediction_id"].is_in(predictions["prediction_id"].implode()).all()
    told = [
        event.partition
        for event in result.get_asset_materialization_events()
        if event.asset_key == home.key("outcomes") and event.partition != AS_OF.isoformat()
    ]
    assert told == [known_date.isoformat()]
