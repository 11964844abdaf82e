"""One stage for all drills: a home, and the bento that serves it."""

from collections.abc import Iterator

import pytest

from mlops_assets.commands.drill.home import make_drill_home
from mlops_assets.commands.drill.stage import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(make_drill_home(tmp_path_factory.mktemp("drill") / "home"))
    stage.put(1, "blue_green")
    with stage.serving():
        yield stage
