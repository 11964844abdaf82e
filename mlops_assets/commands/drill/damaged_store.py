"""The drill of a store whose pages are overwritten, and of the command that restores it."""

import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import httpx

from mlops_assets.commands.drill.failure import ANSWERS, TOLD_SECONDS, WAIT_SECONDS, refused_then_answered
from mlops_assets.commands.drill.home import PRODUCT, DrillHome
from mlops_assets.commands.drill.stage import Drill, Seen, Stage, answered_since, failed
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import connect, rows
from mlops_assets.core.online_store.restore import Restored, restore_store

PAGE_BYTES = 4096
LOCK_SECONDS = 10.0
STATE_LEAVES = """
SELECT pageno FROM dbstat
WHERE name IN ('state', 'sqlite_autoindex_state_1') AND pagetype = 'leaf' AND pageno <= ?
"""


def store_damaged(stage: Stage) -> Seen:
    """Overwrite the pages of all states under load, then restore the store while services run."""
    with tempfile.TemporaryDirectory(prefix="drill-damage-") as folder:
        file = copy_store(stage.home.store_file, Path(folder) / f"{PRODUCT}.sqlite")
        home = replace(stage.home, online_store=folder)
        with stage.serving(MLOPS_ONLINE_STORE=folder):
            stage.settle(1)
            with stage.load() as load:
                load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=WAIT_SECONDS)
                damage(file)
                load.wait_for(lambda answers: len(failed(answers)) >= ANSWERS // 2, seconds=TOLD_SECONDS)
                noted = StoreFiles(file).damage()
                ready = httpx.get(f"{stage.url}/readyz", timeout=10.0).status_code
                restored = _restore(home, file)
                again = time.monotonic()
                load.wait_for(lambda _: answered_since(load, again) >= ANSWERS, seconds=WAIT_SECONDS)
        seen = refused_then_answered(load, home.captured(), again)
    words = f"{noted}; /readyz was {ready}; {restored}; {seen.words}"
    is_noticed = noted is not None and ready == httpx.codes.SERVICE_UNAVAILABLE
    return Seen(words, seen.is_expected and is_noticed and restored is not None and restored.is_complete)


def _restore(home: DrillHome, file: Path) -> Restored | None:
    """What `mlops store restore` does; the states come from the drill's history, which no lakehouse has."""
    from mlops_assets.commands.store import is_record  # Dagster comes with it

    restored = restore_store(file, is_record=is_record)
    home.load_states()
    return restored


def damage(file: Path) -> None:
    """Overwrite every leaf of the file's table of states, and of its index; records keep their pages.

    The store's write lock is held meanwhile: else a page of a state could have become one of a record. The file is
    closed after the connection, since closing it gives up all locks that this process has on it.
    """
    with (
        file.open("r+b", buffering=0) as pages,
        closing(connect(file, busy_seconds=LOCK_SECONDS)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        last = file.stat().st_size // PAGE_BYTES  # others are in the log alone
        for (page,) in rows(connection, STATE_LEAVES, (last,)):
            pages.seek((page - 1) * PAGE_BYTES)
            pages.write(b"\xa5" * PAGE_BYTES)
        connection.execute("ROLLBACK")


def copy_store(file: Path, copy: Path) -> Path:
    """Put all that a store which may be in use holds, its log included, into another file; return that.

    With the store's own SQLite: two of them in one process would not see each other's locks.
    """
    with (
        closing(apsw.Connection(str(file))) as read,
        closing(apsw.Connection(str(copy))) as written,
        written.backup("main", read, "main") as backup,
    ):
        while not backup.done:
            backup.step()
    return copy


DAMAGE_DRILLS = (
    Drill(
        "store-damaged",
        "pages of the online store were overwritten, then it was restored",
        "noticed, 503, /readyz fails; answers again afterwards without a restart, every record is kept",
        store_damaged,
    ),
)
