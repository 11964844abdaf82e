"""The one code server that Dagster's web UI, its daemon and its runs share while `mlops dev` runs."""

import socket
import sys
import time
from pathlib import Path

import yaml

from mlops_assets.embedded.run_origin import LOCATION, MODULE

_LOOK_SECONDS = 0.1


def code_server_command(address: Path) -> list[str]:
    """Return the command that loads the code location and answers on this Unix socket once it is loaded."""
    return [
        *(sys.executable, "-m", "dagster", "code-server", "start", "-m", MODULE, "--location-name", LOCATION),
        *("--socket", str(address), "--use-python-environment-entry-point", "--log-level", "warning"),
    ]


def write_workspace(file: Path, *, address: Path, declared: Path | None) -> None:
    """Write a workspace file in which the platform's code location is the server at `address`.

    declared: a workspace.yaml whose other code locations are kept as they are; None for none.
    """
    others = []
    if declared is not None:
        entries = yaml.safe_load(declared.read_text("utf-8"))["load_from"]
        others = [entry for entry in entries if not _is_the_platform(entry)]
    ours = {"grpc_server": {"location_name": LOCATION, "socket": str(address)}}
    file.write_text(yaml.safe_dump({"load_from": [ours, *others]}), encoding="utf-8")


def wait_until_it_listens(address: Path) -> None:
    """Return once a server takes connections on the Unix socket; whoever started it ends this wait where it died."""
    while not listens(address):
        time.sleep(_LOOK_SECONDS)


def listens(address: Path) -> bool:
    """Whether a server takes connections on the Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(address))
        except OSError:
            return False
        return True


def _is_the_platform(entry: dict[str, object]) -> bool:
    module = entry.get("python_module")
    return module == MODULE or (isinstance(module, dict) and module.get("module_name") == MODULE)
