"""Processes that one command starts, watches, and ends together."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from mlops_assets.core.errors import PlatformError
from mlops_assets.embedded.code_server import listens

STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Part:
    """A process that the command starts."""

    name: str
    command: list[str]
    after: Path | None = None
    """A Unix socket on which another part listens before this one starts."""


def interrupt_when_asked() -> None:
    """Let SIGINT and SIGTERM end this process as Ctrl-C does; a shell starts background jobs with SIGINT ignored."""
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, _interrupt)


def run_parts(parts: Sequence[Part], environment: Mapping[str, str], *, console: Console) -> None:
    """Start each part as soon as what it waits for listens, and wait until one ends or a person interrupts; end all.

    Raises: PlatformError when a part ends by itself.
    """
    processes: dict[str, subprocess.Popen[bytes]] = {}
    waiting = list(parts)
    try:
        while True:
            for part in [part for part in waiting if part.after is None or listens(part.after)]:
                waiting.remove(part)
                processes[part.name] = subprocess.Popen(
                    part.command, start_new_session=True, env=dict(environment)
                )
            _require_alive(processes)
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        _stop(list(processes.values()))


def _require_alive(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise PlatformError(f"{name} ended with exit code {process.returncode}; its log above says why")


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt each process group; what has not ended in time, or at a second Ctrl-C, is killed: nothing is left."""
    for process in processes:
        _signal_group(process, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
    finally:
        for process in processes:
            _signal_group(process, signal.SIGKILL)  # also what outlived the process that had started it
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], signal_number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal_number)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
