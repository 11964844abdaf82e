"""A broken product folder: the others are loaded, and code location, doctor and status show the broken one."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_assets.components.broken_product import broken_product, cause_of
from mlops_assets.core.errors import ProductSpecError
from mlops_assets_tests.support.source_tree import ROOT

FRAUD = Path("mlops_assets/products/fraud_detection")
SHOW = """
import json
from typer.testing import CliRunner
from mlops_assets import cli
from mlops_assets.definitions import defs
d = defs()
graph = d.resolve_asset_graph()
keys = [key.to_user_string() for key in graph.get_all_asset_keys()]
spec = next((s for s in d.resolve_all_asset_specs() if s.key.path[-1] == "declaration"), None)
jobs = [job.name for job in d.get_repository_def().get_all_jobs()]
commands = {verb: CliRunner().invoke(cli.app, [verb, "--json"]) for verb in ("status", "doctor")}
print(json.dumps({
    "keys": keys, "told": spec.description if spec else None, "jobs": jobs,
    **{verb: {"exit_code": done.exit_code, "stdout": done.stdout} for verb, done in commands.items()},
}))
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the sources, in a folder whose name has a blank and a hash, with one text replaced."""

    root: Path

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script in a process that imports the copy."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "MLOPS_HOME": str(self.root.parent / "home"),
        }
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


def checkout(tmp_path: Path, *, file: str, old: str, new: str) -> Checkout:
    root = tmp_path / "My Projects #1" / "checkout"
    for package in ("mlops_assets", "serving"):
        shutil.copytree(ROOT / package, root / package)
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(ROOT / name, root / name)
    path = root / FRAUD / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return Checkout(root)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        pytest.param(
            "defs.yaml",
            "  domain: payments",
            '  domain: "E-commerce & retail (EU)"',
            "domain",
            marks=pytest.mark.rehearsal,
        ),
        ("features.py", "LABEL_DELAY = ", "LABEL_DELAY = 1 / 0 or ", "ZeroDivisionError"),
        pytest.param(
            "schemas.py",
            "amount_usd: float",
            "split: float = pa.Field()\n    amount_usd: float",
            "split is a column",
            marks=pytest.mark.rehearsal,
        ),
    ],
)
def test_the_others_are_loaded_and_the_broken_one_is_seen_with_file_and_line(
    tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    broken = checkout(tmp_path, file=file, old=old, new=new)
    line = (broken.root / FRAUD / file).read_text().split(new.split("\n", maxsplit=1)[0])[0].count("\n") + 1
    shown = broken.run(SHOW)
    assert shown.returncode == 0, shown.stderr[-2000:]
    found = json.loads(shown.stdout.splitlines()[-1])
    assert "mortality_risk/model" in found["keys"]
    assert [key for key in found["keys"] if key.startswith("fraud")] == ["fraud_detection/declaration"]
    assert "mortality_risk__retrain" in found["jobs"]
    assert f"{file}:{line}" in found["told"]
    assert told in found["told"]
    assert "product fraud_detection cannot be loaded" in shown.stderr
    assert found["status"]["exit_code"] == 1
    answer = json.loads(found["status"]["stdout"])
    assert [one["product"] for one in answer["products"]] == ["mortality_risk"]
    assert f"{file}:{line}" in answer["broken"]["fraud_detection"]
    assert found["doctor"]["exit_code"] == 1
    checks = json.loads(found["doctor"]["stdout"])["checks"]
    failed = {one["name"]: one["detail"] for one in checks if one["status"] == "failed"}
    assert f"{file}:{line}" in failed["fraud_detection"]
    assert not {"mortality_risk", "tables", "MLOPS_HOME"} & set(failed)


def test_the_check_of_a_broken_product_fails_with_what_is_wrong() -> None:
    error = ProductSpecError("shop/defs.yaml:3: domain: no tag")
    definitions = broken_product("shop", error)
    job = definitions.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(raise_on_error=False)
    (check,) = run.get_asset_check_evaluations()
    assert (check.passed, check.description) == (False, str(error))


def test_the_cause_of_a_librarys_error_is_the_end_of_its_traceback() -> None:
    try:
        int("x")
    except ValueError as error:
        assert cause_of(error).endswith("ValueError: invalid literal for int() with base 10: 'x'")
