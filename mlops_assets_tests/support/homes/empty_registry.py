"""MLflow's empty database, made once by the installed MLflow and copied to each home that needs one."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from mlops_assets.core.registry.mlflow_client import mlflow_client


@cache
def _template() -> Path:
    """The file; its migrations take MLflow seconds, so each process makes it once."""
    folder = Path(tempfile.mkdtemp(prefix="empty-registry-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "mlflow.db"
    mlflow_client(f"sqlite:///{file}").search_experiments()
    return file


def give_empty_registry(file: Path) -> None:
    """Put MLflow's empty database at `file`, unless one is there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_template(), file)
