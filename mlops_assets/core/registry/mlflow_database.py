"""Makes MLflow's SQLite database at once, as MLflow itself makes it by running each of its migrations.

`mlflow_database.sql` is the database that MLflow makes, written down;
`python -m mlops_assets.core.registry.mlflow_database`
writes it anew for the installed MLflow.
"""

import os
import sqlite3
import tempfile
from contextlib import closing
from importlib.metadata import version as installed_version
from pathlib import Path

from mlops_assets.core.registry.tags_sqlite import sqlite_file

SCRIPT = Path(__file__).with_name("mlflow_database.sql")
_FIRST_LINE = "-- MLflow {version}\n"


def create_mlflow_database(tracking_uri: str) -> bool:
    """Create the SQLite database of `tracking_uri`, whole or not at all, and tell whether that was done.

    Left to MLflow, which runs its migrations where it finds no tables (a second of a core): a database that exists or
    is no plain SQLite file, a folder that is missing or takes no hard links, and an MLflow of another version than the
    script's.
    """
    file = sqlite_file(tracking_uri)
    if file is None or file.exists() or not file.parent.is_dir():
        return False
    script = SCRIPT.read_text(encoding="utf-8")
    if not script.startswith(_first_line()):
        return False
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".mlflow-") as folder:
            made = Path(folder) / file.name
            with closing(sqlite3.connect(made)) as connection:
                connection.executescript(f"BEGIN;\n{script}\nCOMMIT;")
            os.link(made, file)  # fails when another process was first
    except (OSError, sqlite3.Error):
        return False
    return True


def script_of_installed_mlflow() -> str:
    """Let MLflow make a database, and return the script that makes the same."""
    from mlflow.store.db.utils import _initialize_tables
    from sqlalchemy import create_engine

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        engine = create_engine(f"sqlite:///{file}")
        _initialize_tables(engine)
        engine.dispose()
        with closing(sqlite3.connect(file)) as connection:
            lines = [line for line in connection.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
    return _first_line() + "\n".join(lines) + "\n"


def _first_line() -> str:
    return _FIRST_LINE.format(version=installed_version("mlflow"))


if __name__ == "__main__":
    SCRIPT.write_text(script_of_installed_mlflow(), encoding="utf-8")
