"""What is required by what is walked once, for everybody who asks."""

from importlib.metadata import packages_distributions, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.identity.installed import applies, distribution_of, installed_version, needs_of


def test_what_is_asked_for_comes_with_what_it_requires_in_turn() -> None:
    needs = {need.name: need for need in needs_of(["bentoml"])}
    assert needs["bentoml"].by == ""
    assert needs["starlette"].by == "bentoml"
    assert needs["anyio"].installed == version("anyio")
    assert all(need.is_met for need in needs.values())


def test_an_extra_is_followed_only_where_it_is_asked_for() -> None:
    assert "hiredis" not in {need.name for need in needs_of(["redis"])}
    assert "hiredis" in {need.name for need in needs_of(["redis", "redis[hiredis]"])}


def test_what_is_missing_or_too_old_is_a_need_that_is_not_met() -> None:
    (missing,) = needs_of(["no-such-library"])
    old = next(need for need in needs_of(["polars<0.1"]) if not need.by)
    assert (missing.installed, missing.is_met) == (None, False)
    assert (old.installed, old.is_met) == (version("polars"), False)


def test_a_marker_decides_whether_a_requirement_applies_here() -> None:
    assert applies(Requirement("a"))
    assert not applies(Requirement("a; python_version < '3'"))
    assert not applies(Requirement("a; extra == 'b'"))
    assert applies(Requirement("a; extra == 'b'"), extra="b")


@pytest.mark.parametrize(
    ("library", "distribution"),
    [
        ("yaml", "pyyaml"),
        ("sklearn", "scikit-learn"),
        ("prometheus_client", "prometheus-client"),
        ("dateutil", "python-dateutil"),
    ],
)
def test_a_top_level_module_is_brought_by_a_distribution(library: str, distribution: str) -> None:
    assert distribution_of(library) == distribution
    assert distribution in {canonicalize_name(name) for name in packages_distributions()[library]}


def test_a_module_that_nothing_brings_is_named() -> None:
    assert installed_version("no-such-library") is None
    with pytest.raises(IdentityError, match="no_such_library is imported"):
        distribution_of("no_such_library")
