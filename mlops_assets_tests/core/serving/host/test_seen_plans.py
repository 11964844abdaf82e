"""What a host has seen of plans: it reads back equal, and the last plan that worked is the one to return to."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.host.seen_plans import KEPT_GOOD, KEPT_REFUSED, SeenPlans, seen_file
from mlops_assets_tests.support.homes.host_plans import host_snapshot


def test_it_reads_back_equal(tmp_path: Path) -> None:
    file = seen_file(tmp_path, "shop")
    assert SeenPlans.read(file) == SeenPlans()
    folder = file.parent
    seen = SeenPlans().with_good(host_snapshot(folder, 1)).with_good(host_snapshot(folder, 2))
    seen = seen.with_refused(host_snapshot(folder, 3).plan, "it kills").with_deaths(
        host_snapshot(folder, 4).plan, 1
    )
    seen.write(file)
    assert SeenPlans.read(file) == seen
    assert (seen.troubled, seen.deaths) == (4, 1)


def test_the_last_plan_that_worked_is_returned_to_unless_it_is_refused(tmp_path: Path) -> None:
    one, two = host_snapshot(tmp_path, 1), host_snapshot(tmp_path, 2)
    seen = SeenPlans().with_good(one).with_good(two)
    assert seen.last_good() == two
    refused = seen.with_refused(two.plan, "it kills")
    assert refused.last_good() == one
    assert (refused.is_good(two.plan), refused.refusal(two.plan) is None) == (False, False)
    assert SeenPlans().last_good() is None


def test_a_plan_that_works_ends_its_trouble(tmp_path: Path) -> None:
    one = host_snapshot(tmp_path, 1)
    seen = SeenPlans().with_deaths(one.plan, 1).with_deaths(one.plan, 2)
    assert (seen.troubled, seen.deaths) == (1, 3)
    assert seen.with_deaths(host_snapshot(tmp_path, 2).plan, 1).deaths == 1
    assert seen.with_good(one).troubled is None


def test_it_does_not_grow_without_end(tmp_path: Path) -> None:
    seen = SeenPlans()
    for number in range(1, 40):
        seen = seen.with_good(host_snapshot(tmp_path, number)).with_refused(
            host_snapshot(tmp_path, 100 + number).plan, ""
        )
    assert (len(seen.good), len(seen.refused)) == (KEPT_GOOD, KEPT_REFUSED)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format_version": 1}', '{"format_version": 2}'])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "seen_plans.json").write_text(content)
    with pytest.raises(ServingError):
        SeenPlans.read(tmp_path / "seen_plans.json")
