"""A real terminal: a command runs in a pseudo-terminal, and its screen is kept as it looked over time."""

import fcntl
import html
import os
import pty
import signal
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from select import select
from struct import pack
from subprocess import Popen

import pyte

COLUMNS, ROWS = 98, 27
POLL_SECONDS = 0.25
_COLOURS = {"default": "#d0d4dc", "green": "#7ec699", "red": "#e88388", "brown": "#dbab79", "blue": "#71a6e8",
            "magenta": "#c792ea", "cyan": "#66c2cd", "black": "#5c6370", "white": "#e6e6e6"}  # fmt: skip
_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #1b1f27; }}
header {{ background: #2a2f3a; color: #9aa3b2; font: 13px sans-serif; padding: 6px 12px; }}
header b {{ float: right; font-weight: normal; }}
pre {{ margin: 8px 12px; font: 15px/20px "DejaVu Sans Mono", monospace; }}
</style><header>{title}<b>{clock}</b></header><pre>{text}</pre>"""


@dataclass(frozen=True)
class Screen:
    """What a terminal showed `at` so many seconds after its command had started."""

    at: float
    html: str

    def page(self, title: str) -> str:
        """The screen as an HTML page, with a title and the real time since the start."""
        clock = f"{int(self.at) // 60}:{int(self.at) % 60:02}"
        return _PAGE.format(title=html.escape(title), clock=clock, text=self.html)


class Terminal:
    """One command in a pseudo-terminal of fixed size; `screens` are its distinct screens, oldest first."""

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        """Start the command in a shell; the terminal shows a prompt and the command first, as if typed."""
        self._emulator = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._emulator)
        self._stream.feed(f"\x1b[32m$\x1b[0m {command}\n".replace("\n", "\r\n").encode())
        self._output, follower = pty.openpty()
        _resize(follower)
        self._process = Popen(
            ["bash", "-c", command], stdin=follower, stdout=follower, stderr=follower,
            env={**os.environ, **environment, "TERM": "xterm-256color"}, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self._started = time.monotonic()
        self.screens: list[Screen] = []
        self._reader = threading.Thread(target=self._follow)
        self._reader.start()

    def wait_for(self, text: str, *, seconds: float) -> None:
        """Return once the text is on the screen.

        Raises: TimeoutError when it is not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while text not in "\n".join(self._emulator.display):
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(self._emulator.display))
            time.sleep(POLL_SECONDS)

    def finish(self, *, seconds: float) -> None:
        """Wait until the command ends by itself.

        Raises: RuntimeError when it fails.
        """
        code = self._process.wait(seconds)
        self._reader.join()
        if code != 0:
            raise RuntimeError("\n".join(self._emulator.display))

    def interrupt(self) -> None:
        """Press Ctrl-C and wait for the end."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)
        self._reader.join()

    def _follow(self) -> None:
        # In a thread of its own: a command whose terminal nobody reads would stand still.
        is_open = True
        while is_open:
            ready, _, _ = select([self._output], [], [], POLL_SECONDS)
            while ready and is_open:
                is_open = self._read()
                ready, _, _ = select([self._output], [], [], 0)
            text = "\n".join(self._line(row) for row in range(ROWS))
            if not self.screens or self.screens[-1].html != text:
                self.screens.append(Screen(time.monotonic() - self._started, text))
            time.sleep(POLL_SECONDS)

    def _read(self) -> bool:
        try:
            data = os.read(self._output, 65536)
        except OSError:  # Linux says EIO once the other end is closed
            return False
        self._stream.feed(data)
        return bool(data)

    def _line(self, row: int) -> str:
        spans, cells = "", self._emulator.buffer[row]
        for column in range(COLUMNS):
            cell = cells[column]
            colour = _COLOURS.get(cell.fg, f"#{cell.fg}" if len(cell.fg) == 6 else _COLOURS["default"])
            weight = ";font-weight:bold" if cell.bold else ""
            spans += f'<span style="color:{colour}{weight}">{html.escape(cell.data)}</span>'
        return spans


def _resize(descriptor: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, pack("HHHH", ROWS, COLUMNS, 0, 0))
