"""`mlops doctor`: checks the installation, the configuration and every connection, and says what to do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from mlops_assets.catalogue import product_names
from mlops_assets.commands.doctor.access import folder_checks, key_checks
from mlops_assets.commands.doctor.alerts import alert_checks
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.configuration import readable_settings, variable_checks
from mlops_assets.commands.doctor.connections import home_checks, table_checks, tracking_checks
from mlops_assets.commands.doctor.installation import REINSTALL, installation_checks
from mlops_assets.commands.doctor.online_store import online_store_checks
from mlops_assets.commands.doctor.orchestration import (
    instance_checks,
    location_checks,
    product_checkups,
    serving_checks,
)
from mlops_assets.commands.doctor.releases import release_checkups
from mlops_assets.commands.plain_text import plain
from mlops_assets.core.settings import Settings

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def run_doctor(environ: Mapping[str, str], *, working_directory: Path, console: Console) -> tuple[Check, ...]:
    """Run every check, with progress on `console`, and return the findings; a check that raises is a finding."""
    settings, problems = readable_settings(environ, working_directory=working_directory)
    checkups = [Checkup("installation", "packages", installation_checks, REINSTALL)]
    if settings is not None:
        checkups += _checkups(settings, environ)
    found = list(Checkup("configuration", "environment variables", lambda: problems, "").findings())
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=console, transient=True,
    ) as progress:  # fmt: skip
        task = progress.add_task("", total=len(checkups))
        for checkup in checkups:
            progress.update(task, description=f"{checkup.area}: {checkup.name}")
            found.extend(checkup.findings())
            progress.advance(task)
    return tuple(found)


def has_failed(checks: Sequence[Check]) -> bool:
    """Whether anything is wrong that keeps the platform from working."""
    return any(check.status == "failed" for check in checks)


def doctor_json(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the findings as plain JSON values."""
    counts = Counter(check.status for check in checks)
    return {
        "ok": not has_failed(checks),
        "counts": {status: counts.get(status, 0) for status in _COLOURS},
        "checks": [vars(check) for check in checks],
    }


def print_checks(checks: Sequence[Check], *, console: Console) -> None:
    """Print one row per finding, and what to do about those that are not ok."""
    table = Table("", "what", "finding")
    area = ""
    for check in checks:
        if check.area != area:
            table.add_section()
            area = check.area
        colour = _COLOURS[check.status]
        advice = f"\n[bold]→ {plain(check.action)}[/]" if check.action else ""
        table.add_row(f"[{colour}]{check.status}[/]", plain(check.name), f"{plain(check.detail)}{advice}")
    console.print(table)
    counts = Counter(check.status for check in checks)
    console.print(", ".join(f"{counts.get(status, 0)} {status}" for status in _COLOURS))


def _checkups(settings: Settings, environ: Mapping[str, str]) -> list[Checkup]:
    def variables() -> Sequence[Check]:
        return tuple(variable_checks(settings, environ))

    return [
        Checkup("configuration", "environment variables", variables, "correct the variables"),
        Checkup(
            "connections",
            "MLOPS_HOME",
            lambda: home_checks(settings),
            "set MLOPS_HOME to a folder that this user may make and write",
        ),
        Checkup(
            "connections",
            "tables",
            lambda: table_checks(settings),
            "correct MLOPS_TABLES_URI; for an object store also its credentials (AWS_*, GOOGLE_*, AZURE_*) and address",
        ),
        Checkup(
            "connections",
            "MLflow tracking",
            lambda: tracking_checks(settings),
            "correct MLFLOW_TRACKING_URI, or start the server there; unset it for a database below MLOPS_HOME",
        ),
        Checkup(
            "connections",
            "online store",
            lambda: online_store_checks(settings),
            "correct MLOPS_ONLINE_STORE, or start Redis there; unset it for files below MLOPS_HOME",
        ),
        Checkup(
            "access", "folders", lambda: folder_checks(settings), "look at the folders' owners and modes"
        ),
        Checkup(
            "access",
            "API keys",
            lambda: key_checks(settings),
            "correct MLOPS_API_KEYS, or make the file anew",
        ),
        _alerts(settings, environ),
        *release_checkups(settings, product_names()),
        Checkup(
            "orchestration",
            "DAGSTER_HOME",
            lambda: instance_checks(settings),
            "correct dagster.yaml in DAGSTER_HOME, or remove that file: a working one is then made",
        ),
        *product_checkups(settings),
        Checkup(
            "orchestration",
            "code location",
            location_checks,
            "correct what the message names; then run this again",
        ),
        Checkup("serving", "BentoML", serving_checks, REINSTALL),
    ]


def _alerts(settings: Settings, environ: Mapping[str, str]) -> Checkup:
    return Checkup(
        "alerts",
        "alerts",
        lambda: alert_checks(settings, environ, now=datetime.now(UTC)),
        "correct what the message names; meanwhile people may not be told",
    )
