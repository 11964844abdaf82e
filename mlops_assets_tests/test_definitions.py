"""The code location as a whole: what it shows is written in code_location.txt, and every part of it is complete."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import RepositoryDefinition

from mlops_assets.catalogue import product_names
from mlops_assets.definitions import defs
from mlops_assets_tests.support.code_location import describe

SNAPSHOT = Path(__file__).with_name("code_location.txt")
UPDATE = "python -m mlops_assets_tests.support.code_location > mlops_assets_tests/code_location.txt"
ANOTHER_NAME = {
    "events": "events",  # one function makes events and rejected_events
    "rejected_events": "events",
    "model_with_physicians": "model",  # one function fits the product's own model and its variants
}

RELEASE_STEPS = ("start_canary", "start_shadow", "advance", "rollback")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLOPS_HOME", str(tmp_path_factory.mktemp("home")))
        yield defs()


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return list(definitions.resolve_all_asset_specs())


@pytest.fixture(scope="module")
def repository(definitions: dg.Definitions) -> RepositoryDefinition:
    return definitions.get_repository_def()


def test_the_code_location_is_as_it_is_written_down(definitions: dg.Definitions) -> None:
    found, expected = describe(definitions).splitlines(), SNAPSHOT.read_text(encoding="utf-8").splitlines()
    gone = [f"- {line}" for line in expected if line not in found]
    new = [f"+ {line}" for line in found if line not in expected]
    difference = "\n".join([*gone, *new])
    assert found == expected, f"the code location changed:\n{difference}\nif that was meant, run: {UPDATE}"


def test_every_product_has_assets_and_nothing_else_has(specs: list[dg.AssetSpec]) -> None:
    assert {spec.key.path[0] for spec in specs} == set(product_names())
    assert {len(spec.key.path) for spec in specs} == {2}


def test_every_asset_has_description_owner_group_kinds_domain_and_code_version(
    specs: list[dg.AssetSpec],
) -> None:
    incomplete = {
        f"{spec.key.to_user_string()}: {what}"
        for spec in specs
        for what, is_there in {
            "description": bool(spec.description) and str(spec.description).startswith("One "),
            "owners": bool(spec.owners),
            "group": str(spec.group_name).startswith(f"{spec.key.path[0]}/"),
            "kinds": bool(spec.kinds),
            "domain": bool(spec.tags.get("domain")),
            "code version": bool(spec.code_version),
        }.items()
        if not is_there
    }
    assert incomplete == set()


def test_a_search_for_an_assets_noun_finds_its_function(definitions: dg.Definitions) -> None:
    other = {}
    for asset in definitions.assets or ():
        assert isinstance(asset, dg.AssetsDefinition)
        function = asset.op.compute_fn.decorated_fn.__name__  # pyright: ignore[reportFunctionMemberAccess,reportAttributeAccessIssue]
        other |= {key.path[-1]: function for key in asset.keys if key.path[-1] != function}
    assert other == {noun: name for noun, name in ANOTHER_NAME.items() if noun != name}


def test_partitioned_assets_take_a_range_of_days_in_one_run(definitions: dg.Definitions) -> None:
    policies = {
        key: (asset.backfill_policy, isinstance(asset.partitions_def, dg.DailyPartitionsDefinition))
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for key in asset.keys
    }
    assert any(is_daily for _, is_daily in policies.values())
    for policy, is_daily in policies.values():
        assert (policy == dg.BackfillPolicy.single_run()) == is_daily


def test_jobs_resolve_say_what_they_do_and_cover_every_asset(
    repository: RepositoryDefinition, specs: list[dg.AssetSpec]
) -> None:
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    assert all(job.description for job in jobs)
    covered = {key for job in jobs for key in job.asset_layer.executable_asset_keys}
    assert covered == {spec.key for spec in specs}
    for job in jobs:
        product, verb = job.name.split("__")
        of_assets = {key.path[0] for key in job.asset_layer.executable_asset_keys}
        assert of_assets == (set() if verb in RELEASE_STEPS else {product})


def test_schedules_and_sensors_that_start_runs_wait_to_be_switched_on(
    repository: RepositoryDefinition,
) -> None:
    starters = [*repository.schedule_defs, *(s for s in repository.sensor_defs if s.has_jobs)]
    assert starters
    assert [one.name for one in starters if one.default_status.value != "STOPPED"] == []
    assert [one.name for one in starters if not one.description] == []


def test_the_location_loads_as_dagster_loads_it(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
