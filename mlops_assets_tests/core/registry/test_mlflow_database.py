"""The database that we make for MLflow is the one that MLflow makes."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops_assets.core.registry import mlflow_database
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.mlflow_database import create_mlflow_database

WRITE_ANEW = "after an upgrade of MLflow: python -m mlops_assets.core.registry.mlflow_database"
Rows = list[tuple[object, ...]]


def everything_in(file: Path) -> tuple[Rows, dict[str, Rows]]:
    """What a database is declared to hold, and the rows of its tables; an experiment without its place and times.

    MLflow's migrations write a table's constraints in an order that differs from one process to the next.
    """
    with closing(sqlite3.connect(file)) as connection:
        declared = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        tables = [str(name) for kind, name, *_ in declared if kind == "table"]
        rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    rows["experiments"] = [(row[0], row[1], row[3]) for row in rows["experiments"]]
    lines = [(*of, sorted(line.rstrip(", ") for line in (sql or "").splitlines())) for *of, sql in declared]
    return sorted(lines, key=str), rows


def test_mlflow_finds_in_our_database_what_it_makes_by_itself(tmp_path: Path):
    MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'theirs.db'}").search_experiments()
    assert create_mlflow_database(f"sqlite:///{tmp_path / 'ours.db'}"), WRITE_ANEW
    MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'ours.db'}").search_experiments()
    ours, theirs = everything_in(tmp_path / "ours.db"), everything_in(tmp_path / "theirs.db")
    assert len(ours[0]) > 100
    assert ours == theirs, WRITE_ANEW


def test_a_client_gets_our_database_and_works_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_: object) -> None:
        raise AssertionError("MLflow ran its migrations")

    monkeypatch.setattr("mlflow.store.db.utils._initialize_tables", refuse)
    client = mlflow_client(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.create_run(client.create_experiment("shop", artifact_location=str(tmp_path)))
    client.set_tag(run.info.run_id, "colour", "blue")
    assert client.get_run(run.info.run_id).data.tags["colour"] == "blue"
    assert [entry.name for entry in tmp_path.iterdir()] == ["mlflow.db"]


def test_an_mlflow_of_another_version_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mlflow_database, "installed_version", lambda _: "99.0")
    assert not create_mlflow_database(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_exists_and_a_server_are_left_alone(tmp_path: Path):
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"")
    assert not create_mlflow_database(f"sqlite:///{file}")
    assert file.read_bytes() == b""
    assert not create_mlflow_database("http://127.0.0.1:5000")
    assert not create_mlflow_database(f"sqlite:///{tmp_path / 'missing' / 'mlflow.db'}")


def test_of_several_that_create_it_at_once_one_does(tmp_path: Path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create_mlflow_database, [uri] * 8))
    assert created.count(True) == 1
    assert len(everything_in(tmp_path / "mlflow.db")[0]) > 100
