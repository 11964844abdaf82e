"""Brings MLflow up to the release record in a process of its own: loading MLflow takes longer than a rollback may.

`python -m mlops_assets.commands.mirror PRODUCT`; what it cannot do, the next command that looks does.
"""

import os
import subprocess
import sys
from pathlib import Path

from mlops_assets.core.errors import PlatformError
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import load_settings


def mirror_in_background(control: ReleaseControl, product: str) -> None:
    """Start the process and do not wait for it; it outlives this one."""
    places = {"MLOPS_TABLES_URI": control.tables_uri, "MLFLOW_TRACKING_URI": control.tracking_uri}
    subprocess.Popen(
        [sys.executable, "-m", "mlops_assets.commands.mirror", product],
        env={**os.environ, **places},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def main(arguments: list[str]) -> int:
    """Repair what MLflow shows of the product; return 1 when it could not be done."""
    (product,) = arguments
    give_up_soon()
    settings = load_settings(os.environ, working_directory=Path.cwd())
    try:
        refused = ReleaseControl.of(settings).repair(product)
    except PlatformError as error:
        refused = (str(error),)
    for words in refused:
        sys.stderr.write(f"{product}: {words}\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
