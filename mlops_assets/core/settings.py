"""The environment variables of the platform, read here and nowhere else.

Secrets of object stores are not read at all: deltalake takes AWS_*, GOOGLE_* and AZURE_* from the environment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.folders import require_database_folder, require_tables_folder

MEBIBYTE = 1024 * 1024
CapturePolicy = Literal["refuse", "score"]
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
VARIABLES: dict[str, str] = {
    "MLOPS_HOME": "folder for everything that is stored; default: .mlops beside workspace.yaml, else ~/.mlops",
    "MLOPS_TABLES_URI": "root of the Delta tables, a folder or s3://, gs://, az:// URI; default: $MLOPS_HOME/tables",
    "MLFLOW_TRACKING_URI": "MLflow tracking and registry; default: sqlite:///$MLOPS_HOME/mlflow.db",
    "MLOPS_MLFLOW_ARTIFACTS_URI": "root of the artifacts of new MLflow experiments; default: $MLOPS_HOME/mlartifacts",
    "MLOPS_MLFLOW_UI_URL": "base URL of MLflow's UI, for links; default: http://127.0.0.1:5000",
    "MLOPS_REPORTS_URL": "base URL of the HTML reports, for links; default: http://127.0.0.1:3002",
    "MLOPS_DAGSTER_UI_URL": "base URL of Dagster's UI, for links; default: http://127.0.0.1:3000",
    "MLOPS_DEV_HOSTS": "further names with their ports under which a browser may open what `mlops dev` starts, divided "
    "by commas; default: none beside 127.0.0.1, localhost and [::1]",
    "MLOPS_RUN_CONFIG_VARIABLES": "environment variables that run configuration may read with {env: NAME}, divided by "
    "commas; default: none",
    "MLOPS_CACHE": "folder for fetched source data; default: $MLOPS_HOME/cache",
    "MLOPS_ONLINE_STORE": "state of entities and captured predictions: a folder of SQLite files, or a redis:// or "
    "rediss:// URL; default: $MLOPS_HOME/online",
    "MLOPS_SERVING_HOME": "folder in which services keep the last good release plan and its models; default: "
    "$MLOPS_HOME/serving",
    "MLOPS_CAPTURE_POLICY": "when a prediction cannot be captured: refuse (503) or score (answer without a record, "
    "counted); default: refuse",
    "MLOPS_API_KEYS": "file of the API keys that a service asks for (`mlops keys`); default: none, and everybody who "
    "reaches a service may ask it",
    "MLOPS_MODEL_MEMORY_MIB": "memory in MiB that the models of a new release plan may take in all workers of a host "
    "together; default: what the host, or the control group around the services, has free",
    "MLOPS_ALERT_WEBHOOK": "http(s) address that gets a JSON POST per alert; default: none",
    "MLOPS_ALERT_SLACK": "address of an incoming webhook of Slack that gets every alert; default: none",
    "MLOPS_ALERT_SINKS": "file of the sinks that alerts go to, by severity and product; default: "
    "$MLOPS_HOME/alert_sinks.yaml, where it is there",
}


@dataclass(frozen=True)
class Settings:
    """Where the platform stores and finds things; immutable, made by `load_settings`."""

    home: Path
    tables_uri: str
    tracking_uri: str
    mlflow_artifacts_uri: str
    mlflow_ui_url: str
    dagster_ui_url: str
    reports_url: str
    cache: Path
    serving_home: Path
    capture_policy: CapturePolicy
    online_store: str = field(repr=False)
    """May hold a password, so it is never shown."""
    model_memory: int | None = None
    """Bytes; None is what the host has free."""
    alert_webhook: str | None = field(default=None, repr=False)
    """May hold a token, so it is never shown."""
    alert_slack: str | None = field(default=None, repr=False)
    """Is a secret as a whole."""
    alert_sinks: Path = Path("alert_sinks.yaml")
    dev_hosts: tuple[str, ...] = ()
    """Names with their ports, in lower case."""
    run_config_variables: tuple[str, ...] = ()
    api_keys: Path | None = None

    @property
    def reports(self) -> Path:
        """Folder of HTML reports, one sub-folder per product."""
        return self.home / "reports"

    @property
    def bentos(self) -> Path:
        """BentoML's home: models and bentos."""
        return self.home / "bentoml"


def load_settings(environ: Mapping[str, str], *, working_directory: Path) -> Settings:
    """Resolve all settings from `environ`; an unset or empty variable takes its default.

    Raises: ConfigurationError for a variable of the MLOPS_ family that the platform does not know (a typing error
    would otherwise be ignored silently), a folder that a library cannot take, or a webhook that is no http(s) address.
    """
    unknown = sorted(name for name in environ if name.startswith("MLOPS_") and name not in VARIABLES)
    if unknown:
        raise ConfigurationError(
            f"unknown environment variable {', '.join(unknown)}; known are {', '.join(VARIABLES)}"
        )
    home = Path(environ.get("MLOPS_HOME") or _default_home(working_directory)).expanduser().resolve()
    require_database_folder(str(home), name="MLOPS_HOME")
    tables_uri = environ.get("MLOPS_TABLES_URI") or str(home / "tables")
    require_tables_folder(
        tables_uri, name="MLOPS_TABLES_URI" if environ.get("MLOPS_TABLES_URI") else "MLOPS_HOME"
    )
    return Settings(
        home=home,
        tables_uri=tables_uri,
        tracking_uri=environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}",
        mlflow_artifacts_uri=environ.get("MLOPS_MLFLOW_ARTIFACTS_URI") or (home / "mlartifacts").as_uri(),
        mlflow_ui_url=(environ.get("MLOPS_MLFLOW_UI_URL") or "http://127.0.0.1:5000").rstrip("/"),
        reports_url=(environ.get("MLOPS_REPORTS_URL") or "http://127.0.0.1:3002").rstrip("/"),
        dagster_ui_url=(environ.get("MLOPS_DAGSTER_UI_URL") or "http://127.0.0.1:3000").rstrip("/"),
        cache=Path(environ.get("MLOPS_CACHE") or home / "cache").expanduser().resolve(),
        serving_home=Path(environ.get("MLOPS_SERVING_HOME") or home / "serving").expanduser().resolve(),
        capture_policy=_capture_policy(environ.get("MLOPS_CAPTURE_POLICY") or "refuse"),
        online_store=environ.get("MLOPS_ONLINE_STORE") or str(home / "online"),
        model_memory=_model_memory(environ.get("MLOPS_MODEL_MEMORY_MIB")),
        alert_webhook=_webhook("MLOPS_ALERT_WEBHOOK", environ),
        alert_slack=_webhook("MLOPS_ALERT_SLACK", environ),
        alert_sinks=Path(environ.get("MLOPS_ALERT_SINKS") or home / "alert_sinks.yaml")
        .expanduser()
        .resolve(),
        dev_hosts=_hosts(environ.get("MLOPS_DEV_HOSTS")),
        api_keys=Path(keys).expanduser().resolve() if (keys := environ.get("MLOPS_API_KEYS")) else None,
        run_config_variables=_entries(environ.get("MLOPS_RUN_CONFIG_VARIABLES")),
    )


def _capture_policy(value: str) -> CapturePolicy:
    for policy in get_args(CapturePolicy):
        if value == policy:
            return policy
    raise ConfigurationError(
        f"MLOPS_CAPTURE_POLICY is {value!r}; it takes {' or '.join(get_args(CapturePolicy))}"
    )


def _model_memory(mebibytes: str | None) -> int | None:
    if not mebibytes:
        return None
    if not mebibytes.isdecimal() or int(mebibytes) < 1:
        raise ConfigurationError(
            f"MLOPS_MODEL_MEMORY_MIB is {mebibytes!r}; it takes a whole number of MiB, at least 1"
        )
    return int(mebibytes) * MEBIBYTE


def _default_home(working_directory: Path) -> Path:
    for folder in (working_directory, *working_directory.parents):
        if (folder / "workspace.yaml").is_file():
            return folder / ".mlops"
    return Path.home() / ".mlops"


def _webhook(name: str, environ: Mapping[str, str]) -> str | None:
    address = environ.get(name)
    if address and not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"{name} must start with http:// or https://; unset it for no webhook")
    return address or None


def _entries(value: str | None) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in (value or "").split(",") if entry.strip())


def _hosts(value: str | None) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in _entries(value))
    if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
        raise ConfigurationError(
            f"MLOPS_DEV_HOSTS has {wrong[0]!r}: each entry is a name or an address as a browser shows it, with its "
            "port unless that is 80 or 443, and without http://"
        )
    return hosts
