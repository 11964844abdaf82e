"""The drill of a damaged store goes as expected, and not where nothing is damaged."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mlops_assets.commands.drill import damaged_store
from mlops_assets.commands.drill.damaged_store import damage, store_damaged
from mlops_assets.commands.drill.stage import Stage
from mlops_assets.core.online_store.embedded.library import connect, rows, value
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


def test_damage_of_states_spares_records_in_pages_that_were_of_states(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    keys = [f"customer_id={number}@view" for number in range(200)]
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([StateChange(key, 0, b"customer_id=1" * 1_000) for key in keys], [])
        versions = [state.version for state in store.read(keys)]
        changes = [StateChange(key, version, b"1") for key, version in zip(keys, versions, strict=True)]
        # Records take pages that the states leave, bytes and all.
        assert store.commit(changes, [b"record"] * 20_000)
        assert store.checkpoint()
    damage(file)
    with closing(connect(file, busy_seconds=1.0)) as connection:
        assert value(connection, "PRAGMA integrity_check('captured')") == "ok"
        assert len(rows(connection, "SELECT content FROM captured")) == 20_000
        with pytest.raises(apsw.CorruptError):
            rows(connection, "SELECT key, content FROM state")


@pytest.mark.rehearsal
def test_the_drill_goes_as_expected(stage: Stage) -> None:
    seen = store_damaged(stage)
    assert seen.is_expected, seen.words


@pytest.mark.rehearsal
def test_the_drill_fails_with_a_store_that_is_sound(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged_store, "damage", lambda _: None)
    for name in ("TOLD_SECONDS", "WAIT_SECONDS"):
        monkeypatch.setattr(damaged_store, name, 2.0)
    monkeypatch.setattr(type(stage.home), "load_states", lambda _: None)
    seen = store_damaged(stage)
    assert not seen.is_expected, seen.words
