"""Rows that are read from single pages are those that SQLite wrote."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.online_store.embedded.library import connect
from mlops_assets.core.online_store.embedded.page_rows import rows_of_pages

CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.integers(0, 20_000).map(lambda size: bytes(size % 251 for _ in range(size))),
)


@settings(max_examples=12, deadline=None)
@given(
    rows=st.dictionaries(st.integers(-(2**40), 2**40), st.tuples(CELLS, CELLS), max_size=30),
    in_log=st.booleans(),
)
def test_every_row_is_read_as_sqlite_wrote_it(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[int, tuple[object, object]], *, in_log: bool
) -> None:
    file = tmp_path_factory.mktemp("rows") / "shop.sqlite"
    with closing(apsw.Connection(str(file))) as made:
        made.execute(
            "PRAGMA journal_mode = WAL; CREATE TABLE one (number INTEGER PRIMARY KEY, a, b)"
        ).fetchall()
    with closing(connect(file, busy_seconds=1.0)) as connection, connection:
        connection.executemany(
            "INSERT INTO one VALUES (?, ?, ?)", ((number, *row) for number, row in rows.items())
        )
    if not in_log:
        with closing(apsw.Connection(str(file))) as last:
            last.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    read = rows_of_pages(file, file.with_name("shop.sqlite-wal"))
    found = {row.number: row.values[1:] for row in read if len(row.values) == 3 and row.values[0] is None}
    assert found == rows


def test_bytes_that_are_no_page_are_read_without_an_error(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    for content in (b"", b"\x0d" * 4096, b"\x0d" + b"\xff" * 8191, bytes(range(256)) * 64):
        file.write_bytes(content)
        list(rows_of_pages(file, file))
    assert list(rows_of_pages(tmp_path / "missing", tmp_path / "missing-wal")) == []
