"""What is deleted in SQL, and what is left."""

from contextlib import closing
from pathlib import Path

from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


def test_only_states_of_the_asked_versions_and_the_asked_records_go(tmp_path: Path) -> None:
    with closing(SqliteOnlineStore(tmp_path / "shop.sqlite")) as store:
        assert store.commit([StateChange(f"key={n}@view", 0, b"state") for n in range(3)], [b"one", b"two"])
        (first,) = store.captured(limit=1)
        version = store.read(["key=0@view"])[0].version
        assert store.evict({"key=0@view": version, "key=1@view": version + 1}) == 1
        store.forget_captured([first])
        assert sorted(key for key, _ in store.states()) == ["key=1@view", "key=2@view"]
        assert [record.content for record in store.captured()] == [b"two"]
