"""An expensive step is done again only where its inputs changed, or its result was lost."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets_tests.support.homes.small_home import small_product

PRODUCT = small_product()
KEY = dg.AssetKey([PRODUCT.name, "model"])


@pytest.fixture
def lakehouse(tmp_path: Path) -> LakehouseResource:
    return LakehouseResource(tables_uri=str(tmp_path))


def identity(inputs: str) -> Identity:
    return Identity(code="1", libraries={}, declared={}, read={"inputs": inputs})


def run(
    lakehouse: LakehouseResource, instance: dg.DagsterInstance, *, inputs: str, beside: str = ""
) -> tuple[bool, dg.MaterializeResult | None]:
    """Make the asset as those do that are expensive; whether it was made anew, and what it found."""
    found: list[dg.MaterializeResult | None] = []
    made = identity(inputs)
    nouns = ("model", beside) if beside else ("model",)

    @dg.asset(key=KEY)
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        found.append(earlier_result(context, lakehouse.tables, PRODUCT, *nouns, identity=made))
        if found[0] is not None:
            return found[0]
        commit = CommitInfo(run_id=context.run.run_id, code_version="1", inputs=made.to_json())
        lakehouse.tables.write(
            PRODUCT.name, "model", pl.DataFrame({"digest": [inputs]}), days=None, commit=commit
        )
        return dg.MaterializeResult(metadata={"digest": inputs}, data_version=dg.DataVersion("0"))

    dg.materialize(
        [model], instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    )
    return found[0] is None, found[0]


def test_the_same_inputs_give_the_last_result_again_and_say_so(lakehouse: LakehouseResource) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(lakehouse, instance, inputs="a")[0]
        is_new, result = run(lakehouse, instance, inputs="a")
    assert not is_new
    assert result is not None
    assert result.metadata is not None
    assert (result.metadata["digest"], result.metadata["changed"]) == (
        dg.TextMetadataValue("a"),
        dg.MetadataValue.bool(False),
    )
    assert lakehouse.tables.delta(PRODUCT.name, "model").version() == 0


def test_other_inputs_and_a_lost_event_make_it_anew(lakehouse: LakehouseResource) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(lakehouse, instance, inputs="a")
        assert run(lakehouse, instance, inputs="b")[0]
    with dg.DagsterInstance.ephemeral() as another:
        assert run(lakehouse, another, inputs="b")[0]
        assert not run(lakehouse, another, inputs="b")[0]


def test_every_table_that_the_asset_writes_must_be_of_the_same_inputs(lakehouse: LakehouseResource) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(lakehouse, instance, inputs="a")
        assert run(lakehouse, instance, inputs="a", beside="verdicts")[0]
        commit = CommitInfo(run_id="run", code_version="1", inputs=identity("a").to_json())
        rows = pl.DataFrame({"verdict": ["pass"]})
        lakehouse.tables.write(PRODUCT.name, "verdicts", rows, days=None, commit=commit)
        assert not run(lakehouse, instance, inputs="a", beside="verdicts")[0]
        other = CommitInfo(run_id="run", code_version="1", inputs=identity("b").to_json())
        lakehouse.tables.write(PRODUCT.name, "verdicts", rows, days=None, commit=other)
        assert run(lakehouse, instance, inputs="a", beside="verdicts")[0]
