"""Environment variables: each has its effect, an unset one its default, and a mistyped one is refused."""

from dataclasses import asdict
from pathlib import Path

import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.settings import VARIABLES, Settings, load_settings

EFFECTS = {
    "MLOPS_HOME": ("/data/home", "home", Path("/data/home")),
    "MLOPS_TABLES_URI": ("s3://bucket/tables", "tables_uri", "s3://bucket/tables"),
    "MLFLOW_TRACKING_URI": ("http://mlflow:5000", "tracking_uri", "http://mlflow:5000"),
    "MLOPS_MLFLOW_ARTIFACTS_URI": ("s3://bucket/models", "mlflow_artifacts_uri", "s3://bucket/models"),
    "MLOPS_MLFLOW_UI_URL": ("https://mlflow.example/", "mlflow_ui_url", "https://mlflow.example"),
    "MLOPS_REPORTS_URL": ("https://reports.example/", "reports_url", "https://reports.example"),
    "MLOPS_DAGSTER_UI_URL": ("https://dagster.example/", "dagster_ui_url", "https://dagster.example"),
    "MLOPS_DEV_HOSTS": ("Build-box:3000, [fd00::1]:3000", "dev_hosts", ("build-box:3000", "[fd00::1]:3000")),
    "MLOPS_RUN_CONFIG_VARIABLES": ("REGION, TEAM", "run_config_variables", ("REGION", "TEAM")),
    "MLOPS_CACHE": ("/var/cache/mlops", "cache", Path("/var/cache/mlops")),
    "MLOPS_ONLINE_STORE": ("redis://store:6379/0", "online_store", "redis://store:6379/0"),
    "MLOPS_SERVING_HOME": ("/srv/serving", "serving_home", Path("/srv/serving")),
    "MLOPS_CAPTURE_POLICY": ("score", "capture_policy", "score"),
    "MLOPS_API_KEYS": ("/etc/mlops/keys.json", "api_keys", Path("/etc/mlops/keys.json")),
    "MLOPS_MODEL_MEMORY_MIB": ("512", "model_memory", 512 * 1024 * 1024),
    "MLOPS_ALERT_WEBHOOK": ("https://hook.example/x", "alert_webhook", "https://hook.example/x"),
    "MLOPS_ALERT_SLACK": ("https://slack.example/x", "alert_slack", "https://slack.example/x"),
    "MLOPS_ALERT_SINKS": ("/etc/mlops/sinks.yaml", "alert_sinks", Path("/etc/mlops/sinks.yaml")),
}


def loaded(working_directory: Path = Path("/"), **environ: str) -> Settings:
    return load_settings(environ, working_directory=working_directory)


def test_every_variable_is_tried_here() -> None:
    assert set(EFFECTS) == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_has_its_effect_and_an_empty_one_the_default(name: str) -> None:
    value, field, expected = EFFECTS[name]
    home = {} if name == "MLOPS_HOME" else {"MLOPS_HOME": "/elsewhere"}
    assert getattr(loaded(**{**home, name: value}), field) == expected
    assert getattr(loaded(**home), field) != expected
    assert loaded(**{**home, name: ""}) == loaded(**home)


@pytest.mark.parametrize("folder", ["", "deep/inside"])
def test_the_home_stands_beside_workspace_yaml_wherever_one_works_in_it(tmp_path: Path, folder: str) -> None:
    (tmp_path / "workspace.yaml").write_text("")
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert loaded(tmp_path / folder).home == tmp_path / ".mlops"


def test_without_a_workspace_the_home_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert loaded(tmp_path).home == tmp_path / ".mlops"
    assert loaded(MLOPS_HOME="~/here").home == tmp_path / "here"


def test_everything_that_is_not_set_lies_in_the_home(tmp_path: Path) -> None:
    settings = loaded(MLOPS_HOME=str(tmp_path))
    places = [
        settings.tables_uri,
        settings.tracking_uri,
        settings.mlflow_artifacts_uri,
        settings.online_store,
    ]
    places += [
        str(path) for path in (settings.cache, settings.serving_home, settings.reports, settings.bentos)
    ]
    assert all(str(tmp_path) in place for place in places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MLOPS_HOMES", "/x", "unknown environment variable MLOPS_HOMES"),
        ("MLOPS_CAPTURE_POLICY", "drop", "takes refuse or score"),
        ("MLOPS_MODEL_MEMORY_MIB", "1.5", "takes a whole number of MiB"),
        ("MLOPS_MODEL_MEMORY_MIB", "0", "takes a whole number of MiB"),
        ("MLOPS_ALERT_WEBHOOK", "ftp://x", "must start with http"),
        ("MLOPS_ALERT_SLACK", "hooks.slack.example/x", "must start with http"),
    ],
)
def test_a_wrong_name_or_value_is_refused(variable: str, value: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        loaded(**{variable: value})


def test_what_may_hold_a_secret_is_never_shown() -> None:
    settings = loaded(
        MLOPS_ONLINE_STORE="redis://:hunter2@store",
        MLOPS_ALERT_WEBHOOK="https://hook/hunter2",
        MLOPS_ALERT_SLACK="https://hook/hunter2",
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" in str(asdict(settings))


@pytest.mark.parametrize("value", ["http://build-box:3000", "*", "build-box:3000/", "a b", "build-box:port"])
def test_a_host_that_no_browser_names_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="MLOPS_DEV_HOSTS"):
        loaded(MLOPS_DEV_HOSTS=value)
