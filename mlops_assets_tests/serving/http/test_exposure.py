"""A process finds the addresses at which other machines reach it."""

import subprocess
import sys

import pytest

FIND = """
import socket, sys
from serving.http.exposure import exposed_addresses
with socket.socket() as bound, socket.create_server((sys.argv[1], 0)):
    bound.bind(("0.0.0.0", 0))  # does not listen
    print(exposed_addresses())
"""


@pytest.mark.parametrize(
    ("address", "found"), [("127.0.0.1", ()), ("127.0.0.2", ()), ("0.0.0.0", ("0.0.0.0",))]
)
def test_what_listens_beyond_loopback_is_found(address: str, found: tuple[str, ...]) -> None:
    ended = subprocess.run([sys.executable, "-c", FIND, address], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str(found)
