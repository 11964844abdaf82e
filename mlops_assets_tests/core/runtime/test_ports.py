"""A taken port names the process that has it."""

import os
import socket

import pytest

from mlops_assets.core.errors import PlatformError
from mlops_assets.core.runtime.ports import described, listener, require_free


def test_a_taken_port_names_the_process_and_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        expected = rf"port {port} is taken by process {os.getpid()} \(.*python.*choose another with --port"
        with pytest.raises(PlatformError, match=expected):
            require_free(port, option="--port")
    require_free(port, option="--port")
    assert listener(port) is None


def test_a_process_that_is_gone_is_named_by_its_number() -> None:
    assert described(2**22 + 1) == f"process {2**22 + 1}"
