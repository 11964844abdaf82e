"""A process that tells the small product's story until it is killed; test_kill.py starts it.

It imports everything once. For each folder that it reads from standard input it forks a child, which ingests and
retrains in that folder as a home, and writes the child's number, and when that has ended its exit status. Forking is
sound as long as no thread holds a lock: by then only allocators' and Polars' idle ones exist, which it checks.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    FIRST_DAY,
    INGEST,
    LAST_DAY,
    SmallHome,
    small_product,
)

HEAVY = (
    "lightgbm",
    "mlflow",
    "mlflow.lightgbm",
    "matplotlib.figure",
    "optuna",
    "sklearn.linear_model",
    "dagster_mlflow",
)

IDLE_THREADS = {"jemalloc_bg_thd", "polars-ooc-clea"}


def tell(root: Path) -> None:
    """Ingest all days and make a registered candidate; what is up to date stays as it is."""
    home = SmallHome(root, small_product())
    home.materialize(*INGEST, days=(FIRST_DAY, LAST_DAY))
    home.materialize(*CANDIDATE, as_of=AS_OF)


def say(line: object) -> None:
    """Tell the parent process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Fork one child per line of standard input."""
    for name in HEAVY:
        import_module(name)
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    working = {(task / "comm").read_text().strip() for task in tasks} - IDLE_THREADS
    if working:
        raise SystemExit(f"an import started the threads {sorted(working)}: a fork would not be sound")
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            tell(Path(line.strip()))
            os._exit(0)
        say(child)
        _, status = os.waitpid(child, 0)
        say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
