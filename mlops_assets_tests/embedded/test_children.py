"""Processes that one command starts end together."""

import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from mlops_assets.core.errors import PlatformError
from mlops_assets.embedded.children import Part, run_parts

SLEEPS = """
import os, pathlib, sys, time
note = pathlib.Path(sys.argv[1])
note.with_suffix(".part").write_text(str(os.getpid()))
note.with_suffix(".part").rename(note)
time.sleep(600)
"""
ENDS = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
sys.exit(7)
"""


def test_when_one_ends_by_itself_it_is_named_and_the_others_are_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    parts = [
        Part("the sleeper", [sys.executable, "-c", SLEEPS, str(note)]),
        Part("the other", [sys.executable, "-c", ENDS, str(note)]),
        Part("what never starts", ["/no/such"], after=tmp_path / "no.sock"),
    ]
    with pytest.raises(PlatformError, match="the other ended with exit code 7"):
        run_parts(parts, {}, console=Console(stderr=True))
    assert not psutil.pid_exists(int(note.read_text()))
