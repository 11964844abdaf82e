"""The fitted candidate: one row that reads back, and the newest is read."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.errors import TableNotFoundError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.registry.candidate import Candidate, model_noun, read_candidate
from mlops_assets_tests.support.homes.home import COMMIT

CANDIDATE = Candidate("run", "models:/m-1", "ab" * 32, 3, datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize("candidate", [CANDIDATE, replace(CANDIDATE, as_of=None)], ids=["in time", "cohort"])
def test_the_newest_candidate_reads_back_equal(tmp_path: Path, candidate: Candidate) -> None:
    tables = DeltaTables(str(tmp_path))
    for one in (replace(candidate, run_id="older"), candidate):
        tables.write("shop", "model", one.to_frame(), days=None, commit=COMMIT)
    assert read_candidate(tables, "shop") == candidate


def test_a_variant_has_a_table_of_its_own(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    tables.write("shop", model_noun("wide"), CANDIDATE.to_frame(), days=None, commit=COMMIT)
    assert read_candidate(tables, "shop", variant="wide") == CANDIDATE
    with pytest.raises(TableNotFoundError):
        read_candidate(tables, "shop")
