"""The workspace of `mlops dev`: its own code server in the place of the platform's location, others as they are."""

import socket
from pathlib import Path

import pytest
import yaml

from mlops_assets.embedded.code_server import listens, write_workspace
from mlops_assets_tests.support.source_tree import ROOT


def locations(file: Path) -> list[object]:
    return yaml.safe_load(file.read_text("utf-8"))["load_from"]


@pytest.mark.parametrize("declared", [None, ROOT / "workspace.yaml"])
def test_the_platform_is_one_code_server(tmp_path: Path, declared: Path | None) -> None:
    file = tmp_path / "written.yaml"
    write_workspace(file, address=tmp_path / "code.sock", declared=declared)
    server = {"location_name": "mlops_assets", "socket": str(tmp_path / "code.sock")}
    assert locations(file) == [{"grpc_server": server}]


def test_other_code_locations_of_the_workspace_are_kept(tmp_path: Path) -> None:
    declared, file = tmp_path / "workspace.yaml", tmp_path / "written.yaml"
    other = {"python_file": {"relative_path": "other.py", "location_name": "other"}}
    declared.write_text(yaml.safe_dump({"load_from": [{"python_module": "mlops_assets.definitions"}, other]}))
    write_workspace(file, address=tmp_path / "code.sock", declared=declared)
    assert locations(file)[1:] == [other]


def test_a_socket_listens_while_its_server_does(tmp_path: Path) -> None:
    address = tmp_path / "code.sock"
    assert not listens(address)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        assert not listens(address)
        server.listen()
        assert listens(address)
    assert not listens(address)
