"""Doctor: what the environment variables say and what each resolves to; secrets are never shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops_assets.commands.doctor.check import Check
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.masking import masked
from mlops_assets.core.settings import VARIABLES, Settings, load_settings

AREA = "configuration"
WEBHOOK = "MLOPS_ALERT_WEBHOOK"


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
    for left_out in ((), (WEBHOOK,)):
        kept = {name: value for name, value in readable.items() if name not in left_out}
        try:
            return load_settings(kept, working_directory=working_directory), (problem,)
        except ConfigurationError as error:
            problem = Check(
                AREA, "environment variables", "failed", f"{problem.detail}\n{error}".strip(), action
            )
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
    }
    for name in VARIABLES:
        origin = "environment" if environ.get(name) else "default"
        value = resolved.get(name, "set" if environ.get(name) else "not set")
        yield Check(AREA, name, "ok", f"{value} ({origin})")
    yield _webhook_check(settings)


def _webhook_check(settings: Settings) -> Check:
    if settings.alert_webhook:
        return Check(
            AREA, "alerts", "ok", "a webhook is set; the alert sensors post to it once they are switched on"
        )
    action = f"set {WEBHOOK} to an http(s) address to be told of failures"
    return Check(
        AREA, "alerts", "warning", "no webhook is set: failures are shown in the web UI only", action
    )
