"""What a tracking URI says about where MLflow keeps its data."""

from pathlib import Path

_SCHEME = "sqlite:///"


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the database file of a tracking URI; None when it is no plain SQLite file."""
    path = tracking_uri.removeprefix(_SCHEME)
    if path == tracking_uri or not path or "?" in path or path == ":memory:":
        return None
    return Path(path)
