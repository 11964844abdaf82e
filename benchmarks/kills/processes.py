"""The processes of one home, told apart by what they do."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import psutil

KINDS: Mapping[str, tuple[str, ...]] = {
    "worker": ("_bentoml_impl.worker.service",),
    "supervisor": ("bentoml", "serve"),
    "follower": ("serving.plan_follower",),
    "service": ("mlops_assets.cli", "serve"),
    "development": ("mlops_assets.cli", "dev"),
    "command": ("mlops_assets.cli",),
    "mirror": ("mlops_assets.commands.mirror",),
    "run": ("--multiprocessing-fork",),
    "code server": ("dagster", "api", "grpc"),
    "daemon": ("dagster._daemon",),
    "web server": ("mlops_assets.embedded.web_ui",),
    "MLflow": ("mlflow",),
}
"""Kind to words of the command line that only it has; the first kind that fits is meant. Dagster's code server executes
each run in a process that it spawns."""


def processes_of(home: Path) -> Mapping[str, list[psutil.Process]]:
    """Return the processes that work on a home, by kind; those of no kind, such as guards, are left out."""
    found: dict[str, list[psutil.Process]] = defaultdict(list)
    for process in psutil.process_iter():
        try:
            if process.environ().get("MLOPS_HOME") != str(home):
                continue
            kind = kind_of(process.cmdline())
        except psutil.Error:  # it has ended, or is another user's
            continue
        if kind is not None:
            found[kind].append(process)
    return found


def kind_of(command: list[str]) -> str | None:
    """Say what a command line does; None when it is none of the platform's processes."""
    words = {word for part in command for word in (part, *Path(part).parts)}
    return next((kind for kind, needed in KINDS.items() if words.issuperset(needed)), None)
