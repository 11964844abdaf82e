"""A bento's requirements are all that its libraries need, as they are installed here."""

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement

from mlops_assets.core.bento.pinned_requirements import BROUGHT_BY, pinned_requirements, requirements_of
from mlops_assets.core.bento.sources import bento_sources
from mlops_assets.core.errors import PackagingError

SOURCES = bento_sources("fraud_detection")
REQUIRED = requirements_of(SOURCES.libraries)


def test_what_is_required_by_what_is_required_is_pinned_to_what_is_installed() -> None:
    pinned = dict(pinned_requirements(["bentoml"]))
    assert "starlette" in pinned  # bentoml's own
    assert "anyio" in pinned  # starlette's
    assert all(version(name) == found for name, found in pinned.items())


def test_nothing_that_a_bento_may_import_is_left_open() -> None:
    pinned = dict(pinned_requirements(REQUIRED))
    needs = [Requirement(line) for name in pinned for line in requires(name) or ()]
    open_ones = {
        need.name.lower().replace("_", "-")
        for need in needs
        if need.marker is None or need.marker.evaluate({"extra": ""})
    } - set(pinned)
    assert not open_ones


def test_an_extra_is_followed_only_where_it_is_asked_for() -> None:
    assert "hiredis" not in dict(pinned_requirements(["redis"]))
    assert "hiredis" in dict(pinned_requirements(["redis", "redis[hiredis]"]))


def test_a_library_that_is_missing_is_named() -> None:
    with pytest.raises(PackagingError, match="needs no-such-library, which is not installed"):
        pinned_requirements(["no-such-library"])


def test_a_bento_requires_what_its_sources_import() -> None:
    assert {"bentoml", "lightgbm", "mlflow-skinny", "polars", "redis", "scikit-learn"} <= set(REQUIRED)
    assert not {"dagster", "mlflow", "pandas", "sqlalchemy", "yaml"} & set(REQUIRED)


def test_every_exception_is_still_one() -> None:
    assert set(BROUGHT_BY) <= set(SOURCES.libraries)
