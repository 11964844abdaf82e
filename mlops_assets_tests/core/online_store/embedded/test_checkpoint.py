"""One owner of a store's checkpoints on a machine, whose right ends with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from mlops_assets.core.online_store.embedded.checkpoint import Ownership, owner_of

HOLDS_IT = """
import sys, time
from pathlib import Path
from mlops_assets.core.online_store.embedded.checkpoint import Ownership

print(Ownership(Path(sys.argv[1])).take(), flush=True)
time.sleep(600)
"""


def test_one_has_it_until_it_is_given_back(tmp_path: Path) -> None:
    one, other = Ownership(tmp_path / "owner"), Ownership(tmp_path / "owner")
    assert owner_of(tmp_path / "owner") is None
    assert (one.take(), one.take(), other.take()) == (True, True, False)
    assert owner_of(tmp_path / "owner") == os.getpid()
    one.give_back()
    assert owner_of(tmp_path / "owner") is None
    assert other.take()
    other.give_back()


def test_another_process_takes_it_once_its_holder_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "owner"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_IT, str(file)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        mine = Ownership(file)
        assert (mine.take(), owner_of(file)) == (False, holder.pid)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert mine.take()
        mine.give_back()
