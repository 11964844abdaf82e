"""Models are compared on the rows that they were made beside, and on no others."""

import shutil
from pathlib import Path

import pytest

from mlops_assets.core.errors import TrainingError
from mlops_assets_tests.support.homes.small_home import FRAUD, SmallHome


def test_a_candidate_is_not_evaluated_on_a_training_set_that_was_made_anew_under_its_number(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    rows = home.read("training_set")
    shutil.rmtree(home.tables.uri(FRAUD, "training_set"))
    home.write("training_set", rows.head(rows.height - 50))
    with pytest.raises(TrainingError, match="materialize fraud_detection/model first"):
        home.materialize("evaluation")
