"""The reports' server shows the files of its folder to the person's browser, and nothing else to anyone."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.embedded.browser_guard import loopback_hosts
from mlops_assets.embedded.reports_server import reports_app
from mlops_assets_tests.support.processes.asgi_server import ask, serving

LINK = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser sends when a person follows a link from Dagster's UI on another port."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The server of a folder with a page of a product, and links that lead out."""
    folder = tmp_path / "reports"
    (folder / "fraud").mkdir(parents=True)
    (folder / "fraud" / "drift.html").write_text("<p>drift</p>")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.html").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.getsockname()[1]
        with serving(reports_app(folder, hosts=loopback_hosts(number)), sock):
            yield number


def test_a_report_is_shown_where_a_link_leads_to_it(port: int) -> None:
    page = ask(port, "GET", "/fraud/drift.html", LINK)
    assert (page.status_code, page.text) == (200, "<p>drift</p>")
    assert page.headers["content-type"].startswith("text/html")


def test_a_browser_that_asks_for_an_icon_is_not_told_of_an_error(port: int) -> None:
    assert ask(port, "GET", "/favicon.ico", {"Sec-Fetch-Site": "same-origin"}).status_code == 204


@pytest.mark.parametrize(
    "path",
    ["/out.html", "/up/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/fraud/..%2f..%2fsecret.txt",
     "//etc/passwd", "/%2fetc%2fpasswd", "/fraud/", "/"],
)  # fmt: skip
def test_nothing_outside_the_folder_and_no_listing_is_shown(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:  # httpx would clean the path up
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        assert client.makefile("rb").readline().split()[1] == b"404"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example:PORT"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_page_of_another_origin_reads_no_report(port: int, headers: dict[str, str]) -> None:
    assert ask(port, "GET", "/fraud/drift.html", headers).status_code == 403
