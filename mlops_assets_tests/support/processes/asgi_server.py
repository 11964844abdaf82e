"""An ASGI application behind a real HTTP server on a socket of its own, and requests to it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp, sock: socket.socket) -> Iterator[None]:
    """Serve the application on the bound socket while the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    """Send a request; PORT in a header stands for the server's port."""
    filled = {name: value.replace("PORT", str(port)) for name, value in headers.items()}
    return httpx.request(method, f"http://127.0.0.1:{port}{path}", headers=filled)
