"""The process that proves a model ends when nobody waits for it any more."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from mlops_assets.commands.drill.bad_models import hanging
from mlops_assets_tests.support.small_model import small_model
from serving.following.model_proof import REFUSED
from serving.following.proving import PROOF

WAIT_SECONDS = 60


def started(folder: Path, *options: str) -> tuple["subprocess.Popen[bytes]", int]:
    """The process, and the end of the pipe that keeps it alive."""
    inner, outer = os.pipe()
    command = [sys.executable, "-m", PROOF, str(folder), "--life", str(inner), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(inner,))
    os.close(inner)
    return process, outer


def test_it_ends_when_the_one_that_waits_for_it_is_gone(tmp_path: Path) -> None:
    model = hanging(small_model(rounds=3))
    model.save(tmp_path)
    process, outer = started(tmp_path, "--digest", model.digest, "--seconds", "500")
    try:
        os.close(outer)
        assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()


def test_files_of_another_model_are_no_proof(tmp_path: Path) -> None:
    small_model(rounds=3).save(tmp_path)
    process, outer = started(tmp_path, "--digest", "0" * 64, "--seconds", "500")
    try:
        output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == REFUSED
        assert b"not 000000000000" in output
    finally:
        process.kill()
        os.close(outer)
