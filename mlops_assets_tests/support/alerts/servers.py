"""Real servers on loopback that take alerts: HTTP ones that can misbehave, and one of SMTP."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class HttpSinkServer(ThreadingHTTPServer):
    """Takes JSON by POST, and answers as it was told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.body = b"ok"
        self.headers: dict[str, str] = {}
        self.trickles = False
        self.on_message: Callable[[], object] = lambda: None
        """Called with each message, before it is answered."""
        self.received: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        """Headers of the requests, with lower-case names."""

    @property
    def address(self) -> str:
        """Where it listens, with a secret in it."""
        return f"http://127.0.0.1:{self.server_port}/hook?token=hush"


class _Handler(BaseHTTPRequestHandler):
    server: HttpSinkServer

    def do_POST(self) -> None:
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.on_message()
        if self.server.trickles:
            self._trickle()
            return
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def _trickle(self) -> None:
        try:
            for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
                self.wfile.write(bytes([letter]))
                time.sleep(0.05)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def http_sink() -> Iterator[HttpSinkServer]:
    """A server that listens while the block runs."""
    server = HttpSinkServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def talker(greeting: bytes) -> Iterator[int]:
    """A port at which everybody is told the same, and nothing is understood."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(greeting)
                    connection.settimeout(5)
                    try:
                        connection.recv(65536)
                    except OSError:
                        continue

        threading.Thread(target=talk, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


class MailHandler:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.recipients: list[list[str]] = []
        self.was_encrypted: list[bool] = []
        self.users: list[object] = []
        self.refused: set[str] = set()
        self.answer = "250 taken"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such box"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            content = envelope.content or b""
            self.mails.append(message_from_bytes(content if isinstance(content, bytes) else content.encode()))
            self.recipients.append(list(envelope.rcpt_tos))
            self.was_encrypted.append(session.ssl is not None)
            self.users.append(session.auth_data)
        return self.answer


@contextmanager
def smtp_sink(
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    password: bytes | None = None,
) -> Iterator[tuple[MailHandler, int]]:
    """A server of SMTP, and its port; with `password` it asks for that one of user `mlops`."""

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
    ) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and given == LoginPassword(b"mlops", password or b"")
        return AuthResult(success=is_right, handled=is_right, auth_data=mechanism if is_right else None)

    handler = MailHandler()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=port,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=authenticate if password else None,
        auth_required=password is not None,
    )
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop(no_assert=True)
