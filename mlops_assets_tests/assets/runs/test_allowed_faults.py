"""Faults that the contract allows, in one day's rows and in all days since, brought in as production does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.automation.retrain_on_drift import retrain_on_drift_sensor
from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.prepared import prepared
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    FIRST_DAY,
    INGEST,
    LAST_DAY,
    SCORE,
    SmallHome,
    checks_of,
    failures_of,
)
from mlops_assets_tests.support.homes.wider_product import ID, draw, wider_product

pytestmark = pytest.mark.rehearsal

Fault = Callable[[pl.DataFrame], pl.DataFrame]
DAY = LAST_DAY - timedelta(days=2)
EVENT_DAY = pl.col("event_timestamp").dt.date()
ON_DAY, SINCE = EVENT_DAY == DAY, LAST_DAY - timedelta(days=6) <= EVENT_DAY
REPORTS = (*SCORE, "drift_report", "performance_report", "verdicts")


def changed(column: str, value: pl.Expr, *, when: pl.Expr = ON_DAY) -> Fault:
    return lambda rows: rows.with_columns(pl.when(when).then(value).otherwise(pl.col(column)).alias(column))


def the_day_before(rows: pl.DataFrame) -> pl.DataFrame:
    """The day's file is that of the day before, a day later and under new numbers."""
    before = rows.filter(DAY - timedelta(days=1) == EVENT_DAY)
    times = [pl.col(name) + timedelta(days=1) for name in ("event_timestamp", "known_at")]
    return pl.concat([rows.filter(~ON_DAY), before.with_columns(ID + 10_000_000, *times)])


CELSIUS = pl.col("cabin_temperature")
BROKEN: dict[str, tuple[Fault, str, str]] = {
    "another scale": (changed("cabin_temperature", CELSIUS * 9 / 5 + 32), "cabin_temperature", "times what"),
    "a shifted scale": (changed("cabin_temperature", CELSIUS - 30), "cabin_temperature", "lie outside"),
    "nulls that the contract allows": (changed("tip_usd", pl.lit(None, pl.Float64)), "tip_usd", "are missing"),
    "no nulls where most rows had one": (
        changed("tip_usd", pl.lit(0.0)), "tip_usd", "every row has the value 0",
    ),
    "codes that no day had": (
        changed("branch", pl.when(draw(9) < 0.5).then(pl.lit(77)).otherwise("branch")), "branch", "no day before",
    ),
    "one code throughout": (changed("branch", pl.lit(3)), "branch", "have no row"),
    "a channel that is no more": (changed("channel", pl.lit("web")), "channel_code", "have no row"),
    "the file of the day before": (the_day_before, "events", "read twice"),
}  # fmt: skip
ONE_PERCENT_A_DAY = (EVENT_DAY - pl.lit(FIRST_DAY)).dt.total_days() / 100
CHANGED: dict[str, Fault] = {
    "amounts that grow by one percent a day": changed(
        "amount_usd", pl.col("amount_usd") * (1 + ONE_PERCENT_A_DAY), when=pl.lit(value=True)
    ),
    "a heat wave": changed("cabin_temperature", CELSIUS + 1.5, when=SINCE),
    "a kiosk beside the other channels": changed("channel", pl.lit("kiosk"), when=SINCE & (draw(9) < 0.05)),
    "tips are more often given": changed("tip_usd", 20 * draw(8), when=SINCE & (draw(9) < 0.3)),
}


@pytest.fixture(scope="session")
def wider_home(run_folder: Path) -> SmallHome:
    """Two months of the wider product, with a version that answers; only to be copied."""

    def make(root: Path) -> None:
        home = SmallHome(root, wider_product())
        half = date(2018, 5, 1)
        home.materialize(*INGEST, days=(FIRST_DAY, half))
        home.materialize(*INGEST, days=(half + timedelta(days=1), LAST_DAY))
        home.materialize(*CANDIDATE, as_of=AS_OF)
        home.release(1)
        home.materialize(*SCORE, days=(AS_OF, LAST_DAY))

    return SmallHome(prepared(run_folder, "wider", make), wider_product())


def run_with(fault: Fault, home: SmallHome, folder: Path) -> tuple[SmallHome, dg.ExecuteInProcessResult]:
    home = home.copy(folder).with_product(lambda product: changed_reader(product, events=fault))
    home.materialize(*INGEST, days=(LAST_DAY - timedelta(days=6), LAST_DAY), raises=False)
    days = (LAST_DAY - timedelta(days=2), LAST_DAY)
    return home, home.materialize(*REPORTS, days=days, raises=False)


@dataclass(frozen=True)
class Answer:
    asks: bool
    reason: str


@contextmanager
def sensor(home: SmallHome) -> Iterator[Answer]:
    """What the sensor that asks for retraining says after the reports."""
    from mlops_assets.components.model_product import product_definitions
    from mlops_assets.definitions import platform_resources

    resources = platform_resources(home.settings)
    definitions = dg.Definitions.merge(product_definitions(home.product), dg.Definitions(resources=resources))
    with home.instance() as instance:
        context = dg.build_sensor_context(
            instance=instance, definitions=definitions, resources=dict(resources)
        )
        one = retrain_on_drift_sensor(home.product.spec, f"{home.product.name}__retrain")
        data = one.evaluate_tick(context)
        yield Answer(bool(data.run_requests), str(data.skip_message))


@pytest.mark.parametrize("name", BROKEN)
def test_a_fault_is_named_with_column_and_day_and_asks_for_nothing(
    name: str, wider_home: SmallHome, tmp_path: Path
) -> None:
    fault, column, words = BROKEN[name]
    home, result = run_with(fault, wider_home, tmp_path)
    assert result.success
    newest = home.read("verdicts").filter(pl.col("event_date") == LAST_DAY)
    faults = newest.filter(pl.col("topic") == "data_quality", pl.col("state") == "alarm")
    assert (column, DAY.isoformat()) in set(faults.select("subject", "partition").iter_rows()), faults.rows()
    (found,) = faults.filter(pl.col("subject") == column, pl.col("partition") == DAY.isoformat()).rows(
        named=True
    )
    assert found["cause"] == "broken"
    assert words in found["reason"]
    assert set(faults["partition"]) == {DAY.isoformat()}
    assert not checks_of(result)["no_drift"]
    with sensor(home) as answer:
        assert not answer.asks, answer
    # The day is whole again: nothing of it is left.
    mended = wider_home.with_product(lambda product: product)
    mended = replace(mended, root=home.root)
    mended.materialize(*INGEST, days=(LAST_DAY - timedelta(days=6), LAST_DAY))
    mended.materialize(*REPORTS, days=(LAST_DAY - timedelta(days=2), LAST_DAY))
    after = mended.read("verdicts").filter(pl.col("cause") == "broken")
    assert after.is_empty(), after.rows()


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_of_the_world_is_called_none(name: str, wider_home: SmallHome, tmp_path: Path) -> None:
    home, result = run_with(CHANGED[name], wider_home, tmp_path)
    assert result.success
    broken = home.read("verdicts").filter(pl.col("cause") == "broken")
    assert broken.is_empty(), broken.rows()


def test_a_text_that_no_category_has_comes_no_further(wider_home: SmallHome, tmp_path: Path) -> None:
    home = wider_home.copy(tmp_path).with_product(
        lambda product: changed_reader(product, events=changed("channel", pl.lit("fax")))
    )
    result = home.materialize(*INGEST, days=DAY, raises=False)
    assert "rejected_share" in failures_of(result)["events"]
    assert home.read("features").equals(wider_home.read("features"))
