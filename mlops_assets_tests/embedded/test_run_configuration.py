"""Run configuration reads declared environment variables only, wherever it is resolved."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.system_config.objects import ResolvedRunConfig

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.embedded.run_configuration import limit_environment, require_declared, variables


class Told(dg.Config):
    """What a run is told."""

    words: str
    number: int = 0


class Place(dg.ConfigurableResource):
    """What a run uses, with a value that code reads of the environment."""

    folder: str


@dg.op
def write_down(config: Told, place: Place) -> str:
    return f"{config.words} {place.folder}"


@dg.job(resource_defs={"place": Place(folder=dg.EnvVar("TEST_FOLDER"))})
def told() -> None:
    write_down()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A secret and a declared variable; Dagster's own method afterwards, whoever has limited it."""
    own = getattr(ResolvedRunConfig.build, "read_before_the_limit", ResolvedRunConfig.build)
    monkeypatch.setattr(ResolvedRunConfig, "build", staticmethod(own))
    for name in ("TEST_SECRET", "TEST_REGION", "TEST_FOLDER"):
        monkeypatch.setenv(name, f"value of {name}")
    yield


def asked(words: object) -> dict[str, object]:
    return {"ops": {"write_down": {"config": {"words": words}}}}


def run(run_config: dict[str, object]) -> str:
    return told.execute_in_process(run_config=run_config).output_for_node("write_down")


def test_an_undeclared_variable_is_refused_before_there_is_a_run() -> None:
    assert run(asked({"env": "TEST_SECRET"})) == "value of TEST_SECRET value of TEST_FOLDER"
    limit_environment(["TEST_REGION"])
    with dg.DagsterInstance.ephemeral() as instance:
        refused = r"TEST_SECRET \(at root:ops:write_down:config:words\).*MLOPS_RUN_CONFIG_VARIABLES"
        with pytest.raises(ConfigurationError, match=refused):
            told.execute_in_process(run_config=asked({"env": "TEST_SECRET"}), instance=instance)
        assert instance.get_runs() == []


def test_a_declared_variable_a_plain_value_and_what_code_reads_stay_as_they_were() -> None:
    limit_environment(["TEST_REGION"])
    assert run(asked({"env": "TEST_REGION"})) == "value of TEST_REGION value of TEST_FOLDER"
    assert run(asked("plain")) == "plain value of TEST_FOLDER"


def test_resources_are_part_of_it_and_the_last_declaration_holds() -> None:
    limit_environment(["TEST_SECRET"])
    limit_environment([])
    config = {**asked("plain"), "resources": {"place": {"config": {"folder": {"env": "TEST_SECRET"}}}}}
    with pytest.raises(ConfigurationError, match="root:resources:place:config:folder"):
        run(config)


def test_every_place_is_found() -> None:
    config = {
        "a": [{"b": {"env": "X"}}, {"env": "Y"}],
        "c": {"env": {"env": "Z"}},
        "d": {"env": "W", "e": 1},
        "env": 3,
    }
    assert list(variables(config)) == [("root:a[0]:b", "X"), ("root:a[1]", "Y"), ("root:c:env", "Z")]
    require_declared(config, declared=("X", "Y", "Z"))


def test_a_dagster_that_resolves_elsewhere_loads_no_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ResolvedRunConfig, "build")
    with pytest.raises(ConfigurationError, match="resolves run configuration in a way"):
        limit_environment([])
