"""What tests of monitoring share."""

from pathlib import Path

import pytest

from mlops_assets.core.monitoring.stored_profiles import ChampionProfiles
from mlops_assets.core.release.champion import load_champion
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import SmallHome


@pytest.fixture
def profiles(released_home: SmallHome, tmp_path: Path) -> ChampionProfiles:
    """The profiles of a champion in a home of the test's own."""
    home = released_home.copy(tmp_path / "home")
    champion = load_champion(home.control, home.product.name, declared_view=home.product.view)
    return ChampionProfiles(home.tables, home.product, champion, COMMIT)
