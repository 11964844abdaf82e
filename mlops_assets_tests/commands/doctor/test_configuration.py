"""Environment variables and the home's folder, as the doctor reads them."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from mlops_assets.commands.doctor.command import doctor_json, print_checks
from mlops_assets.commands.doctor.configuration import readable_settings
from mlops_assets_tests.support.examined_home import examined


def test_no_secret_is_ever_shown(environ: dict[str, str]) -> None:
    secrets = {
        "MLFLOW_TRACKING_URI": "postgresql://mlflow:hunter2@127.0.0.1:1/mlflow",
        "MLOPS_ALERT_WEBHOOK": "https://hooks.example/services/T0KEN",
        "MLOPS_ALERT_SLACK": "https://hooks.slack.example/T0KEN",
    }
    found = examined({**environ, **secrets})
    screen = StringIO()
    print_checks(list(found.values()), console=Console(file=screen, width=300))
    shown = screen.getvalue() + json.dumps(doctor_json(list(found.values())))
    assert "hunter2" not in shown
    assert "T0KEN" not in shown
    assert found["MLOPS_ALERT_WEBHOOK"].detail == "*** (environment)"
    assert found["MLFLOW_TRACKING_URI"].detail == "postgresql://***@127.0.0.1:1/mlflow (environment)"
    assert found["MLflow tracking"].status == "failed"


def test_a_mistyped_variable_fails_and_the_rest_is_still_checked(environ: dict[str, str]) -> None:
    wrong = {
        **environ,
        "MLOPS_HOEM": "/somewhere",
        "MLOPS_ALERT_WEBHOOK": "ftp://host",
        "MLOPS_ALERT_SLACK": "x",
    }
    settings, (problem,) = readable_settings(wrong, working_directory=Path("/"))
    assert problem.status == "failed"
    assert "unknown environment variable MLOPS_HOEM" in problem.detail
    assert "MLOPS_ALERT_WEBHOOK must start with http" in problem.detail
    assert problem.detail.count("MLOPS_ALERT_SLACK must start with http") == 1
    assert settings is not None
    assert str(settings.home) == environ["MLOPS_HOME"]
