"""The sources that a bento carries: what serves, and nothing beside it."""

from mlops_assets.core.bento.sources import ENTRY_FILE, bento_sources

FRAUD, COHORT = bento_sources("fraud_detection"), bento_sources("mortality_risk")


def test_what_answers_requests_is_there_and_what_trains_is_not() -> None:
    assert {ENTRY_FILE, "serving/service.py", "mlops_assets/core/serving/scoring.py"} <= set(FRAUD.files)
    assert "mlops_assets/products/fraud_detection/features.py" in FRAUD.files
    for left_out in ("core/training/", "core/evaluation/", "assets/", "cli.py", "products/mortality_risk/"):
        assert not [path for path in FRAUD.files if path.startswith(f"mlops_assets/{left_out}")]


def test_products_differ_in_their_own_modules_only() -> None:
    ours, theirs = set(FRAUD.files), set(COHORT.files)
    assert all("products/fraud_detection/" in path for path in ours - theirs)
    assert all("products/mortality_risk/" in path for path in theirs - ours)
    assert FRAUD.digest != COHORT.digest


def test_the_libraries_are_what_the_sources_import_and_nothing_of_ours() -> None:
    assert {"polars", "lightgbm", "bentoml"} <= set(FRAUD.libraries)
    assert not {"mlops_assets", "serving", "json", "dagster", "optuna"} & set(FRAUD.libraries)
