"""Views on a host's disk: fetched once, fetched again when they were harmed, and removed when out of use."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.errors import FeatureError, RegistryError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.serving.host.views_on_disk import ServedViews, read_view
from mlops_assets_tests.support.features.world import VIEW

VERSION = ModelVersion(
    product="shop",
    version=2,
    run_id="run",
    model_uri="models:/m",
    digest="ab" * 32,
    verdicts=(),
    tags={},
    created_at=datetime(2026, 3, 1, tzinfo=UTC),
)


def test_a_view_is_fetched_once_and_again_when_it_was_harmed(tmp_path: Path) -> None:
    asked = []

    def fetch(version: ModelVersion) -> FeatureView:
        asked.append(version.version)
        return VIEW

    views = ServedViews(tmp_path / "views")
    for _ in range(2):
        views.ensure(VERSION, VIEW.digest, fetch)
    assert asked == [2]
    assert repr(read_view(views.folder, VIEW.digest)) == repr(VIEW)
    (views.folder / f"{VIEW.digest}.json").write_text("{", encoding="utf-8")
    views.ensure(VERSION, VIEW.digest, fetch)
    assert asked == [2, 2]
    assert repr(read_view(views.folder, VIEW.digest)) == repr(VIEW)


def test_another_view_than_the_registered_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="version 2: fetched was feature view"):
        ServedViews(tmp_path).ensure(VERSION, "0" * 64, lambda _: VIEW)
    (tmp_path / "zero.json").write_text("", encoding="utf-8")
    with pytest.raises(FeatureError, match="cannot be read"):
        read_view(tmp_path, "0" * 64)


def test_views_out_of_use_are_removed(tmp_path: Path) -> None:
    views = ServedViews(tmp_path / "views")
    views.keep_only(set())
    views.ensure(VERSION, VIEW.digest, lambda _: VIEW)
    views.keep_only({VIEW.digest})
    assert read_view(views.folder, VIEW.digest).digest == VIEW.digest
    views.keep_only(set())
    assert not list(views.folder.iterdir())
