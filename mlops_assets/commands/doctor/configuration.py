"""Doctor: what the environment variables say and what each resolves to; secrets are never shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops_assets.commands.doctor.check import Check
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.masking import masked
from mlops_assets.core.settings import VARIABLES, Settings, load_settings

AREA = "configuration"
WEBHOOK, SLACK = "MLOPS_ALERT_WEBHOOK", "MLOPS_ALERT_SLACK"


def readable_settings(
    environ: Mapping[str, str], *, working_directory: Path
) -> tuple[Settings | None, tuple[Check, ...]]:
    """Return the settings and what is wrong with them; wrong variables are left out, so that the rest can be checked.

    Settings are None when nothing readable is left.
    """
    try:
        return load_settings(environ, working_directory=working_directory), ()
    except ConfigurationError as error:
        action = "correct or unset it"
        problem = Check(AREA, "environment variables", "failed", str(error), action)
    readable = {name: value for name, value in environ.items() if name in VARIABLES}
    for left_out in ((), (WEBHOOK,), (SLACK,), (WEBHOOK, SLACK)):
        kept = {name: value for name, value in readable.items() if name not in left_out}
        try:
            return load_settings(kept, working_directory=working_directory), (problem,)
        except ConfigurationError as error:
            told = "\n".join(dict.fromkeys([*problem.detail.splitlines(), str(error)]))
            problem = Check(AREA, "environment variables", "failed", told, action)
    return None, (problem,)


def variable_checks(settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    """Say for every variable what it resolves to and whether the environment or a default says so."""
    resolved = {
        "MLOPS_HOME": str(settings.home),
        "MLOPS_TABLES_URI": settings.tables_uri,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLOPS_MLFLOW_ARTIFACTS_URI": settings.mlflow_artifacts_uri,
        "MLOPS_MLFLOW_UI_URL": settings.mlflow_ui_url,
        "MLOPS_ONLINE_STORE": masked(settings.online_store),
        "MLOPS_SERVING_HOME": str(settings.serving_home),
        "MLOPS_CAPTURE_POLICY": settings.capture_policy,
        "MLOPS_DAGSTER_UI_URL": settings.dagster_ui_url,
        "MLOPS_CACHE": str(settings.cache),
        WEBHOOK: "***" if settings.alert_webhook else "none",
        SLACK: "***" if settings.alert_slack else "none",
        "MLOPS_ALERT_SINKS": str(settings.alert_sinks),
    }
    for name in VARIABLES:
        origin = "environment" if environ.get(name) else "default"
        value = resolved.get(name, "set" if environ.get(name) else "not set")
        yield Check(AREA, name, "ok", f"{value} ({origin})")
