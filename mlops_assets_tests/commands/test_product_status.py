"""The status of products."""

from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.commands.product_status import product_status
from mlops_assets.core.settings import load_settings

NEWEST = datetime(2026, 3, 10, 23, 59, tzinfo=UTC)


def test_credentials_of_the_tracking_server_are_not_shown(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/mlflow.db?password=hunter2"
    settings = load_settings(
        {"MLOPS_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": database}, working_directory=tmp_path
    )
    places = product_status(settings, "mortality_risk", now=NEWEST).places
    assert places["runs and versions"].endswith("mlflow.db?password=***")
