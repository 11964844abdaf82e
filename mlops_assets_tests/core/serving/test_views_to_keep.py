"""The views that an online store keeps: of all versions that may have to answer, also while the registry is away."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.serving import views_to_keep as module
from mlops_assets.core.serving.views_to_keep import KEPT_PLANS, views_to_keep
from mlops_assets_tests.support.features.world import VIEW as WORLD
from mlops_assets_tests.support.homes.small_registry import OTHER_VIEW_VERSION, PRODUCT, SmallRegistry

DECLARED = replace(WORLD, name="declared")


class Known:
    """A view that stands for another one, by that one's digest."""

    def __init__(self, digest: str) -> None:
        self.digest = digest


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    return original_registry.copy(tmp_path / "mlflow")


def view_of(small: SmallRegistry, version: int) -> FeatureView:
    return Known(small.control.version(PRODUCT, version).tags[VIEW_TAG])  # pyright: ignore[reportReturnType]


def kept(small: SmallRegistry, *known: FeatureView) -> list[str]:
    found = views_to_keep(small.control, PRODUCT, declared=DECLARED, known=known)
    return [view.digest for view in found]


def test_before_the_first_release_it_is_the_declared_view_and_that_of_the_newest_version(
    small: SmallRegistry,
) -> None:
    newest = view_of(small, OTHER_VIEW_VERSION)
    assert kept(small, newest) == [DECLARED.digest, newest.digest]


def test_the_views_of_the_latest_plans_stay_and_older_ones_go(small: SmallRegistry) -> None:
    champion, newest = view_of(small, 1), view_of(small, OTHER_VIEW_VERSION)
    small.release(OTHER_VIEW_VERSION)
    for version in (1, 2, 3, 1, 2)[:KEPT_PLANS]:
        small.release(version)
    assert kept(small, champion, newest) == [DECLARED.digest, champion.digest, newest.digest]


def test_what_is_known_needs_no_registry_and_what_a_plan_needs_is_never_left_out(
    small: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.release(1)
    champion = view_of(small, 1)

    def away(*_: object, **__: object) -> FeatureView:
        raise RegistryError("away")

    monkeypatch.setattr(module, "version_view", away)
    assert kept(small, champion) == [DECLARED.digest, champion.digest], "the newest version's waits"
    with pytest.raises(RegistryError, match="away"):
        kept(small)
