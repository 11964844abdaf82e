"""The doctor, with every way to be ill made for real: files in the way, ports that nobody answers, broken folders."""

import json
from pathlib import Path

from mlops_assets.commands.doctor.command import doctor_json
from mlops_assets.core.settings import VARIABLES
from mlops_assets_tests.support.examined_home import examined


def test_a_fresh_home_is_well_and_nothing_is_made(environ: dict[str, str]) -> None:
    found = examined(environ)
    assert [check for check in found.values() if check.status == "failed"] == []
    expected = {
        *("Python", "required packages", "their requirements", "disk space", "tables", "MLflow tracking"),
        "online store",
        *("DAGSTER_HOME", "code location", "BentoML", "port 3000", "port 5000"),
        *("fraud_detection", "fraud_detection source", "mortality_risk", "mortality_risk source"),
        *VARIABLES,
    }
    assert expected <= set(found)
    home = Path(environ["MLOPS_HOME"])
    assert not home.exists()
    assert not list(home.parent.glob(".doctor-*"))
    answer = doctor_json(list(found.values()))
    assert answer["ok"] is True
    assert answer["counts"]["failed"] == 0
    assert json.loads(json.dumps(answer))["checks"][0]["area"] == "installation"
