"""A version's view is the one that its run holds, and no other."""

from mlops_assets.core.registry.version_view import version_view
from mlops_assets_tests.support.homes.small_home import FRAUD, SmallHome


def test_a_version_has_the_view_that_its_run_holds(released_home: SmallHome) -> None:
    (version,) = released_home.registry.versions(FRAUD)
    view = released_home.product.view
    other = type(view)("other", view.id_column, view.event_timestamp, view.features[:1])
    for declared in (view, other):
        found = version_view(released_home.settings.tracking_uri, version, declared=declared)
        assert found.digest == view.digest
