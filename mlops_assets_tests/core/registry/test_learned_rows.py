"""The rows that a version learned from, and those that it held out, are its own, whatever became of the table."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.learned_rows import (
    held_out_digest,
    held_out_rows,
    learned_rows,
    rows_learned_by,
)
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import LEARNED_ROWS_TAG, TRAINING_SET_TAG
from mlops_assets_tests.support.homes.small_home import FRAUD, SmallHome

ID = "transaction_id"


def test_a_version_has_the_rows_that_its_run_holds_and_one_of_before_those_of_its_training_set(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    (version,) = home.registry.versions(FRAUD)
    model = home.registry.load(FRAUD, 1)
    expected = learned_rows(home.read("training_set"), id_column=ID)
    assert set(expected["split"]) == {"train", "validation"}
    for _ in range(2):
        found = rows_learned_by(home.uri, version, model, tables=home.tables, id_column=ID)
        assert set(found) == set(expected[ID])
        if LEARNED_ROWS_TAG in home.registry.run_tags(version.run_id):
            mlflow_client(home.uri).delete_tag(version.run_id, LEARNED_ROWS_TAG)
    home.write("training_set", home.read("training_set").slice(1))
    number = str(home.tables.version(FRAUD, "training_set"))
    for tags in ({TRAINING_SET_TAG: number}, {TRAINING_SET_TAG: "99"}, {}):
        with pytest.raises(RegistryError, match="was not stored with it"):
            rows_learned_by(home.uri, replace(version, tags=tags), model, tables=home.tables, id_column=ID)


def test_held_out_rows_are_found_by_their_content(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    rows = home.read("training_set")
    digest = held_out_digest(rows, id_column=ID)
    held_out = rows.filter(rows["split"] != "train")

    def found(version: int, digest: str | None) -> set[int]:
        return set(held_out_rows(home.tables, FRAUD, version=version, digest=digest, id_column=ID)[ID])

    assert found(0, digest) == found(0, None) == set(held_out[ID])
    shutil.rmtree(home.tables.uri(FRAUD, "training_set"))
    home.write("training_set", rows.head(rows.height - 50))
    assert found(0, None) != set(held_out[ID]), "of a version of before, the number counts"
    with pytest.raises(RegistryError, match="holds the rows of the released version no more"):
        found(0, digest)
    home.write("training_set", rows)
    assert found(0, digest) == set(held_out[ID])
