"""The status of products: nothing yet, and how far the data is behind."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mlops_assets.commands.product_status import days_behind, product_status
from mlops_assets.core.product_spec import TimeAxis
from mlops_assets.core.settings import load_settings

NEWEST = datetime(2026, 3, 10, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "end", "days"),
    [
        (datetime(2026, 3, 10, 23, 59, 59, tzinfo=UTC), None, 0),
        (datetime(2026, 3, 11, 23, 59, tzinfo=UTC), None, 0),
        (datetime(2026, 3, 12, 0, 0, tzinfo=UTC), None, 1),
        (datetime(2026, 3, 20, 12, 0, tzinfo=UTC), None, 9),
        (datetime(2026, 3, 20, 12, 0, tzinfo=UTC), date(2026, 3, 11), 0),
        (datetime(2026, 3, 20, 12, 0, tzinfo=UTC), date(2026, 3, 13), 2),
    ],
)
def test_data_are_behind_by_the_days_that_are_over_and_empty(
    now: datetime, end: date | None, days: int
) -> None:
    assert days_behind(TimeAxis(start_date=date(2026, 1, 1), end_date=end), NEWEST, now=now) == days


def test_credentials_of_the_tracking_server_are_not_shown(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/mlflow.db?password=hunter2"
    settings = load_settings(
        {"MLOPS_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": database}, working_directory=tmp_path
    )
    places = product_status(settings, "mortality_risk", now=NEWEST).places
    assert places["runs and versions"].endswith("mlflow.db?password=***")
