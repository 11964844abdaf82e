"""The parity report before anything was served; what it finds is tested with its benchmark."""

from datetime import timedelta
from pathlib import Path

from mlops_assets_tests.support.homes.small_home import LAST_DAY, SmallHome, checks_of, metadata_of


def test_days_without_requests_pass_and_say_so(ingested_home: SmallHome, tmp_path: Path) -> None:
    home = ingested_home.copy(tmp_path / "home")
    result = home.materialize("parity_report", days=(LAST_DAY - timedelta(days=1), LAST_DAY))
    assert checks_of(result) == {"served_features_match": True, "requests_match_events": True}
    metadata = metadata_of(result, home.key("parity_report"))
    assert metadata["summary"].value == "no request was served"
    assert home.read("parity_report").is_empty()
