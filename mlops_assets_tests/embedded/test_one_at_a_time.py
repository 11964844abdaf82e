"""A lock that names who holds it, and that is free again with its holder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.core.errors import PlatformError
from mlops_assets.embedded.one_at_a_time import only_one

HOLD = """
import sys, pathlib
from mlops_assets.embedded.one_at_a_time import only_one
with only_one(pathlib.Path(sys.argv[1]), what="it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_holds_it_and_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "home" / "dev.lock"
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        refused = f"it runs on {file.parent} already, in process {holder.pid} "
        with pytest.raises(PlatformError, match=refused), only_one(file, what="it"):
            pass
        holder.kill()
    with only_one(file, what="it"):
        assert file.read_text() == str(os.getpid())
