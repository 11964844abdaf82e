"""`mlops serve`: the released bento of a product on loopback, as one command that Ctrl-C stops."""

import logging
import signal
import tempfile
from pathlib import Path
from types import FrameType

from rich.console import Console

from mlops_assets.core.bento.build import BuiltBento, built_bento
from mlops_assets.core.bento.server import LOOPBACK, running_server, served_environment
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tag_names import BENTO_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.runtime.ports import require_free
from mlops_assets.core.settings import MEBIBYTE, Settings

_log = logging.getLogger(__name__)


def run_serve(settings: Settings, product: str, *, port: int, workers: int, console: Console) -> None:
    """Serve the champion's bento until it ends or the process is interrupted; then stop it with all its children.

    They end as well when this process is killed.

    The service reads this process's online store, keeps its last good plan in this serving home, and follows the
    release plan from then on.

    settings, product: whose champion is served. workers: processes that answer. console: where address and end are
    shown.

    Raises: RegistryError when nothing is released or its bento is gone; PlatformError when the port is taken, or the
    server ends by itself.
    """
    require_free(port, option="--port")
    bento = released_bento(settings, product)
    for asked in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(asked, _interrupt)
    with tempfile.TemporaryDirectory(prefix="serve-") as folder:
        environment = {
            **served_environment(bento, Path(folder), workers=workers),
            **service_variables(settings),
        }
        try:
            with running_server(
                bento, port=port, folder=folder, log=None, environment=environment
            ) as process:
                console.print(f"{bento.tag} http://{LOOPBACK}:{port}   Ctrl-C stops it")
                code = process.wait()
                raise RegistryError(f"the service ended with exit code {code}; its log above says why")
        except KeyboardInterrupt:
            console.print("stopping")


def released_bento(settings: Settings, product: str) -> BuiltBento:
    """Return the bento of the version that the release plan's champion is.

    Raises: RegistryError when nothing is released, or the bento is not there any more.
    """
    control = ReleaseControl.of(settings)
    plan = control.standing(product)
    if plan is None:
        raise RegistryError(
            f"{product} has no release plan: run `mlops demo {product}`, or materialize its release"
        )
    # The registry knows the newest bento of the version that answered right; the record, the one that was released.
    try:
        version = control.version(product, plan.champion.version)
    except RegistryError as error:  # deleted in MLflow, or MLflow is away: what is released goes on
        _log.warning("%s: %s", product, error)
        version = control.record(product).released_version(plan.champion.version)
    tag = version.tags.get(BENTO_TAG)
    bento = built_bento(tag, settings.bentos) if tag else None
    if bento is None or not (bento.path / "bento.yaml").is_file():
        raise RegistryError(
            f"{product} version {version.version} has no bento in {settings.bentos}: materialize {product}/bento"
        )
    return bento


def service_variables(settings: Settings) -> dict[str, str]:
    """Return the settings of a service that runs beside this installation, as environment variables."""
    return {
        "MLOPS_HOME": str(settings.home),
        "MLOPS_ONLINE_STORE": settings.online_store,
        "MLOPS_SERVING_HOME": str(settings.serving_home),
        "MLOPS_CAPTURE_POLICY": settings.capture_policy,
        **({"MLOPS_API_KEYS": str(settings.api_keys)} if settings.api_keys is not None else {}),
        "MLOPS_MODEL_MEMORY_MIB": str(settings.model_memory // MEBIBYTE) if settings.model_memory else "",
        "MLOPS_TABLES_URI": settings.tables_uri,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
    }


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
