"""What an asset reads is recorded by content, and what it reads later is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.assets.support.recorded_reads import LIBRARIES, RecordedReads, declared_digest
from mlops_assets.catalogue import load_product
from mlops_assets.core.errors import IdentityError
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.product import Product

FRAUD = load_product("fraud_detection")
ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def recorded(folder: Path, read: Callable[[RecordedReads], object], product: Product = FRAUD) -> Identity:
    """What `read` reads inside of a real asset, with the identity taken afterwards."""
    found: list[Identity] = []

    @dg.asset(
        key=["fraud_detection", "noun"],
        code_version="code 1",
        metadata={LIBRARIES: dg.MetadataValue.json(["polars"])},
    )
    def noun(context: dg.AssetExecutionContext) -> None:
        reads = RecordedReads(context, DeltaTables(str(folder)), product, noun="noun")
        read(reads)
        found.append(reads.identity())

    assert dg.materialize([noun]).success
    return found[0]


def write(folder: Path, rows: pl.DataFrame = ROWS) -> None:
    commit = CommitInfo(run_id="run", code_version="1")
    DeltaTables(str(folder)).write("fraud_detection", "events", rows, days=None, commit=commit)


def test_code_libraries_tables_values_and_parts_of_the_declaration_are_recorded(tmp_path: Path) -> None:
    write(tmp_path)

    def read(reads: RecordedReads) -> None:
        assert reads.table("events").equals(ROWS)
        reads.value("the champion", "abc")
        assert reads.product.spec.label.column == "is_fraud"
        reads.declared("gates")

    made = recorded(tmp_path, read)
    assert made.code == "code 1"
    assert made.libraries == {"polars": pl.__version__, "python": "3.11"}
    assert set(made.read) == {"table events", "the champion"}
    assert set(made.declared) == {"label", "gates"}


def test_rows_count_and_the_number_of_their_version_does_not(tmp_path: Path) -> None:
    def read(reads: RecordedReads) -> None:
        reads.table("events")

    write(tmp_path / "one")
    write(tmp_path / "two", ROWS.head(1))
    write(tmp_path / "two")
    assert recorded(tmp_path / "one", read) == recorded(tmp_path / "two", read)
    write(tmp_path / "two", ROWS.head(1))
    assert recorded(tmp_path / "one", read) != recorded(tmp_path / "two", read)


def test_only_the_columns_that_are_read_count(tmp_path: Path) -> None:
    def read(reads: RecordedReads) -> None:
        reads.table("events", columns=["a"])

    write(tmp_path / "one")
    write(tmp_path / "two", ROWS.with_columns(b=pl.lit("other")))
    assert recorded(tmp_path / "one", read) == recorded(tmp_path / "two", read)


@pytest.mark.parametrize(
    ("late", "named"),
    [
        (lambda reads: reads.product.spec.gates, "reads gates of the declaration after its identity"),
        (lambda reads: reads.product.view, "reads view of the declaration"),
        (lambda reads: reads.product.baselines, "reads baselines of the declaration"),
        (lambda reads: reads.product.model_features, "of the declaration"),
        (lambda reads: reads.table("events"), "reads table events after its identity"),
        (lambda reads: reads.value("the champion", 2), "reads the champion after its identity"),
    ],
)
def test_what_is_read_after_the_identity_was_taken_is_refused(
    tmp_path: Path, late: Callable[[RecordedReads], object], named: str
) -> None:
    write(tmp_path)

    def read(reads: RecordedReads) -> None:
        reads.declared("label")
        reads.identity()
        assert reads.product.spec.label.column
        assert reads.product.name
        late(reads)

    with pytest.raises(IdentityError, match=named):
        recorded(tmp_path, read)


def test_words_are_no_part_of_it_and_everything_else_is(tmp_path: Path) -> None:
    label, gates = FRAUD.spec.label, FRAUD.spec.gates
    assert declared_digest(label.model_copy(update={"description": "other"})) == declared_digest(label)
    assert declared_digest(label.model_copy(update={"delay_days": 8})) != declared_digest(label)
    renamed = (gates[0].model_copy(update={"name": "other"}), *gates[1:])
    assert declared_digest(renamed) != declared_digest(gates)
    assert declared_digest(FRAUD.baselines) != declared_digest({})
    assert declared_digest(FRAUD.view) == FRAUD.view.digest

    def read(reads: RecordedReads) -> None:
        assert reads.product.spec.title
        assert reads.product.view.feature_names

    described = replace(FRAUD, spec=FRAUD.spec.model_copy(update={"title": "other"}))
    assert recorded(tmp_path, read, described) == recorded(tmp_path, read)


def test_one_name_stands_for_one_content(tmp_path: Path) -> None:
    def read(reads: RecordedReads) -> None:
        reads.value("the champion", 1)
        reads.value("the champion", 2)

    with pytest.raises(IdentityError, match="reads the champion twice with other content"):
        recorded(tmp_path, read)


def test_reads_for_another_result_of_the_run_are_empty_and_record_by_themselves(tmp_path: Path) -> None:
    write(tmp_path)
    others: list[Identity] = []

    def read(reads: RecordedReads) -> None:
        reads.table("events")
        reads.declared("label")
        reads.identity()
        other = reads.another()
        other.value("x", 1)
        other.declared("evaluation")
        others.append(other.identity())

    first = recorded(tmp_path, read)
    assert list(first.read) == ["table events"]
    assert list(others[0].read) == ["x"]
    assert (list(first.declared), list(others[0].declared)) == (["label"], ["evaluation"])
    assert (others[0].code, others[0].libraries) == (first.code, first.libraries)
