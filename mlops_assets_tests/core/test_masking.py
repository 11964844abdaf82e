"""Masking: no credential of any URI stays in a text, and everything else does."""

import pytest

from mlops_assets.core.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://mlflow:s3cret@db:5432/mlflow", "postgresql://***@db:5432/mlflow"),
        ("postgresql://mlflow:p@ss/w@rd@db/mlflow", "postgresql://***@db/mlflow"),
        ("az://lake/tables?sig=s3cret&se=2026", "az://lake/tables?sig=***&se=***"),
        ("cannot open 'https://token@host/x': refused", "cannot open 'https://***@host/x': refused"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite://***@b/mlflow.db"),
        ("s3://lake/tables", "s3://lake/tables"),
        ("/home/somebody/.mlops/tables", "/home/somebody/.mlops/tables"),
    ],
)
def test_users_passwords_and_query_values_are_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown
