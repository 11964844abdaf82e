"""What is packed computes what the model was trained with, or the error names what differs."""

import pytest

from mlops_assets.core.bento.training_match import require_training_match
from mlops_assets.core.errors import PackagingError

LIBRARIES = {"lightgbm": "4.7.0", "polars": "2.1.0"}


def compare(
    *,
    trained_view: str | None = "a" * 64,
    view: str = "a" * 64,
    trained: dict[str, str] | None = None,
    installed: dict[str, str] | None = None,
) -> None:
    require_training_match(
        "shop version 3",
        trained_view=trained_view,
        view=view,
        trained_libraries=LIBRARIES if trained is None else trained,
        libraries=LIBRARIES if installed is None else installed,
    )


@pytest.mark.parametrize(
    ("trained", "installed"),
    [
        pytest.param(LIBRARIES, LIBRARIES, id="the same"),
        pytest.param(LIBRARIES, {**LIBRARIES, "numpy": "2.4.6"}, id="more than training used"),
        pytest.param({}, LIBRARIES, id="a version of before libraries were recorded"),
    ],
)
def test_a_version_matches(trained: dict[str, str], installed: dict[str, str]) -> None:
    compare(trained=trained, installed=installed)
    with pytest.raises(PackagingError):
        compare(trained=trained, installed=installed, view="b" * 64)


@pytest.mark.parametrize(("trained_view", "named"), [("b" * 64, "b" * 12), (None, "unknown")])
def test_another_view_is_refused_and_both_are_named(trained_view: str | None, named: str) -> None:
    with pytest.raises(PackagingError, match=f"version 3 was trained with feature view {named}") as refusal:
        compare(trained_view=trained_view)
    assert "is now aaaaaaaaaaaa: train it again" in str(refusal.value)


@pytest.mark.parametrize(
    ("installed", "named"),
    [
        ({"lightgbm": "4.6.0", "polars": "2.1.0"}, "lightgbm 4.7.0 (now 4.6.0): install"),
        ({"lightgbm": "4.7.0"}, "polars 2.1.0 (now not installed): install"),
        ({}, "lightgbm 4.7.0 (now not installed), polars 2.1.0 (now not installed): install"),
    ],
)
def test_other_libraries_are_refused_and_each_is_named(installed: dict[str, str], named: str) -> None:
    with pytest.raises(PackagingError) as refusal:
        compare(installed=installed)
    assert named in str(refusal.value)
