"""Runs what may die, hang or fill memory in a process of its own, whose end nobody has to wait for."""

import argparse
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from mlops_assets.core.errors import ServingError

POLL_SECONDS = 0.1
GRACE_SECONDS = 5.0
"""A process that does not end by itself when its time is up, as a stopped one, is killed so much later."""
KEPT_BYTES = 64 * 1024
"""Of the end of each output."""
_READ_BYTES = 64 * 1024
_LAST_READS = 16


class NotWantedError(ServingError):
    """The work was given up: nobody wants its result any more."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said last."""

    code: int | None
    """As `subprocess` has it; None for one that not even a kill ends at once."""
    is_late: bool
    """Whether its time was up."""
    output: str
    errors: str

    @property
    def told(self) -> dict[str, object]:
        """The last line of the output that is JSON; empty where none is an object."""
        for line in reversed(self.output.splitlines()):
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                return found if isinstance(found, dict) else {}
        return {}


def run_apart(
    module: str,
    options: Sequence[str],
    *,
    seconds: int,
    is_wanted: Callable[[], bool],
    environment: Mapping[str, str],
) -> Ended:
    """Run a module that calls `die_in_time` with the options `--seconds` and `--life`, and wait for its end.

    The process ends with this one, however this one ends, and so does whatever it started itself. `is_wanted` is asked
    several times a second; when it says no, the process is ended. `environment` is added to that of this process.

    Raises: NotWantedError; OSError when no process can be started.
    """
    inner, outer = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, "--seconds", str(seconds), "--life", str(inner)],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(inner,),
            start_new_session=True,  # so that all of its processes can be ended together
            env={**os.environ, **environment},
        )
        with _Said(process) as said:
            try:
                is_late = _wait(process, said, seconds, is_wanted)
            finally:
                _end(process)
            said.listen_to_the_rest()
            return Ended(process.poll(), is_late, said.words("output"), said.words("errors"))
    finally:
        os.close(inner)
        os.close(outer)


def options_of_child(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line of a module that `run_apart` runs, and let this process die in time."""
    parser.add_argument("--seconds", type=int, required=True, help="after which this process dies")
    parser.add_argument(
        "--life", type=int, required=True, help="descriptor that is closed when nobody waits any more"
    )
    options = parser.parse_args(arguments)
    die_in_time(seconds=options.seconds, life=options.life)
    return options


def end_child(told: Mapping[str, object], code: int) -> NoReturn:
    """Say what came of it, which `Ended.told` returns, and end this process."""
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()
    sys.exit(code)


def die_in_time(*, seconds: int, life: int) -> None:
    """Let this process die when so many seconds are over, or when nobody holds the other end of the pipe `life`.

    It is the first to go when the host has no memory left.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)  # ends a call of a native library, too
    threading.Thread(target=_outlive_nobody, args=(life,), daemon=True).start()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _outlive_nobody(life: int) -> None:
    os.read(life, 1)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait(
    process: "subprocess.Popen[bytes]", said: "_Said", seconds: int, is_wanted: Callable[[], bool]
) -> bool:
    """Wait for the end of the process, or of its time; say whether its time was up."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        said.listen(POLL_SECONDS)
        if not is_wanted():
            raise NotWantedError("another plan stands")
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGALRM)
        if time.monotonic() > deadline + GRACE_SECONDS:
            break
    return time.monotonic() > deadline


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the process with all that it started; one that the kernel keeps is left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)


class _Said:
    """The end of what a process writes, read as it comes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._selector = selectors.DefaultSelector()
        self._said = {"output": b"", "errors": b""}
        self._streams = {name: stream for name, stream in _streams(process) if stream is not None}
        for name, stream in self._streams.items():
            self._selector.register(stream, selectors.EVENT_READ, name)

    def __enter__(self) -> "_Said":
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for stream in self._streams.values():
            stream.close()

    def listen(self, seconds: float) -> bool:
        """Read what was written, waiting so long for some; say whether there was any."""
        if not self._selector.get_map():
            time.sleep(seconds)
            return False
        ready = self._selector.select(seconds)
        for key, _ in ready:
            piece = os.read(key.fd, _READ_BYTES)
            if piece:
                self._said[key.data] = (self._said[key.data] + piece)[-KEPT_BYTES:]
            else:
                self._selector.unregister(key.fileobj)
        return bool(ready)

    def listen_to_the_rest(self) -> None:
        """Read what is left; a process that outlives the kill and writes on is not listened to for ever."""
        for _ in range(_LAST_READS):
            if not self.listen(0):
                return

    def words(self, name: str) -> str:
        """Return the end of an output as text."""
        return self._said[name].decode(errors="replace")


def _streams(process: "subprocess.Popen[bytes]") -> tuple[tuple[str, IO[bytes] | None], ...]:
    return ("output", process.stdout), ("errors", process.stderr)
