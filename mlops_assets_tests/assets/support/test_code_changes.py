"""What changed code does to stored results: words and pictures nothing, a computing statement makes them anew."""

import json
from pathlib import Path

import pytest

from mlops_assets_tests.support.code.edited import Edit, copied_packages, run_with
from mlops_assets_tests.support.homes.small_home import CANDIDATE, SmallHome

pytestmark = pytest.mark.rehearsal

AGAIN = """
import json, sys
from pathlib import Path
import mlops_assets
from mlops_assets_tests.support.homes.small_home import AS_OF, SmallHome, metadata_of, small_product
assert Path(mlops_assets.__file__).is_relative_to(Path.cwd()), mlops_assets.__file__
home = SmallHome(Path(sys.argv[1]), small_product())
nouns = sys.argv[2].split(",")
result = home.materialize(*nouns, as_of=AS_OF)
metadata = {noun: metadata_of(result, home.key(noun)) for noun in nouns}
print(json.dumps({
    "changed": [noun for noun in nouns if "changed" in metadata[noun] and metadata[noun]["changed"].value],
    "runs": home.mlflow_runs(),
    "versions": [v.version for v in home.registry.versions("fraud_detection")],
    "digests": [v.digest for v in home.registry.versions("fraud_detection")],
}))
"""
CORE = "mlops_assets.core"
WORDS_AND_PICTURES = (
    Edit(f"{CORE}.evaluation.metrics", '"""', '"""Other words: '),
    Edit(f"{CORE}.training.fit", "def fit(", "# why\ndef fit("),
    Edit(f"{CORE}.evaluation.plots", "def roc_curves(", "MORE = 1\n\n\ndef roc_curves("),
    Edit(f"{CORE}.training.plots", "def importance_bars(", "MORE = 1\n\n\ndef importance_bars("),
)
A_METRIC = Edit(f"{CORE}.evaluation.metrics", "CALIBRATION_BINS = 10", "CALIBRATION_BINS = 5")


def again(home: SmallHome, packages: Path) -> dict[str, list[str]]:
    return json.loads(run_with(packages, AGAIN, str(home.root), ",".join(CANDIDATE)).splitlines()[-1])


@pytest.fixture
def home(judged_home: SmallHome, tmp_path: Path) -> SmallHome:
    return judged_home.copy(tmp_path / "home")


def test_words_and_pictures_keep_every_result(home: SmallHome, tmp_path: Path) -> None:
    tables, runs = home.table_versions(), home.mlflow_runs()
    done = again(home, copied_packages(tmp_path / "code", *WORDS_AND_PICTURES))
    assert (done["changed"], done["runs"], done["versions"]) == ([], runs, [1])
    assert home.table_versions() == tables


def test_a_changed_metric_makes_the_evaluation_anew_and_keeps_the_model(
    home: SmallHome, tmp_path: Path
) -> None:
    runs, before = home.mlflow_runs(), home.read("evaluation")
    done = again(home, copied_packages(tmp_path / "code", A_METRIC))
    assert done["changed"] == ["evaluation"]
    assert (done["runs"], done["versions"]) == (runs, [1])
    assert not home.read("evaluation").equals(before)


def test_a_fit_by_other_code_that_gives_the_same_model_keeps_run_and_version(
    home: SmallHome, tmp_path: Path
) -> None:
    runs = home.mlflow_runs()
    other = Edit(f"{CORE}.training.fit", "def fit(", "MORE = 1\n\n\ndef fit(")
    packages = copied_packages(tmp_path / "code", other)
    done = again(home, packages)
    assert (done["runs"], done["versions"]) == (runs, [1])
    assert set(done["changed"]) <= {"hyperparameters"}  # whose trials took other times
    tables = home.table_versions()
    assert (again(home, packages)["runs"], home.table_versions()) == (runs, tables)
