"""What a tracking URI says about where MLflow keeps its data."""

from pathlib import Path

import pytest

from mlops_assets.core.registry.tracking_location import sqlite_file


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:////home/me/mlflow.db", Path("/home/me/mlflow.db")),
        ("sqlite:///mlflow.db", Path("mlflow.db")),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
        ("sqlite:////home/mlflow.db?timeout=5", None),
        ("postgresql://host/mlflow", None),
        ("http://127.0.0.1:5000", None),
        ("/home/me/mlruns", None),
    ],
)
def test_only_a_plain_sqlite_file_is_one(uri: str, file: Path | None) -> None:
    assert sqlite_file(uri) == file
