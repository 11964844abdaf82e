"""A real browser, without a window, that keeps what its pages ask for and complain about."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, WebSocket, sync_playwright

from mlops_assets_tests.support.programs import CHROMIUM

FOREIGN_NAME = "evil.example"
"""A name that this browser resolves to the loopback interface, as after DNS rebinding."""

PATIENCE_SECONDS = 240
GIVEN_UP = "net::ERR_ABORTED"
"""What became of a request whose answer its own page no longer waits for, as when another page is opened."""


@contextmanager
def browser() -> Iterator[Browser]:
    """Start it while the block runs. It is the system's: no download, and security updates are the system's, too."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM.path(), args=[f"--host-resolver-rules=MAP {FOREIGN_NAME} 127.0.0.1"]
        )
        with started:
            yield started


@dataclass
class Watched:
    """What a page asked for, and what went wrong on it; grows while the page lives."""

    page: Page
    answers: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Errors in the console, exceptions that no script caught, and requests that never had an answer."""
    frames: list[str] = field(default_factory=list)
    """What came over WebSockets."""

    def wait_for_frame(self, word: str) -> str:
        """Return the first frame with this word, once it has come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := next((frame for frame in self.frames if word in frame), None):
                return found
            self.page.wait_for_timeout(100)  # in which the browser is listened to
        raise AssertionError(f"no WebSocket brought {word}; there were {len(self.frames)} frames")

    def statuses(self, server: str) -> set[tuple[str, int]]:
        """Return methods and statuses of what the server with this host and port has answered."""
        own = (answer for answer in self.answers if urlsplit(answer.url).netloc == server)
        return {(answer.request.method, answer.status) for answer in own}

    def servers(self) -> set[str]:
        """Return hosts with ports of all that answered."""
        return {urlsplit(answer.url).netloc for answer in self.answers if answer.url.startswith("http")}


def watched(started: Browser) -> Watched:
    """Open a page in a profile of its own."""
    page = started.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(1_000 * PATIENCE_SECONDS)
    seen = Watched(page)

    def from_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.complaints.append(message.text)

    def from_request(request: Request) -> None:
        if request.failure != GIVEN_UP:
            seen.complaints.append(f"{request.url}: {request.failure}")

    def from_socket(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: seen.frames.append(str(frame)))

    page.on("response", lambda answer: seen.answers.append(answer))  # noqa: PLW0108 - it marks the function
    page.on("console", from_console)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("requestfailed", from_request)
    page.on("websocket", from_socket)
    return seen
