"""The store's note of the views that it keeps: read as it was written, and never in the way of requests."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store import kept_views as module
from mlops_assets.core.online_store.kept_views import keep_views, kept_views, state_tags
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore, StateChange
from mlops_assets_tests.support.features.world import ROW_FEATURES, VIEW

ROWS = replace(VIEW, name="rows", features=ROW_FEATURES[:1])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    opened = open_online_store(str(tmp_path), "shop")
    yield opened
    opened.close()


def digests(store: OnlineStore) -> list[str]:
    return [view.digest for view in kept_views(store)]


def write(store: OnlineStore, content: bytes) -> None:
    (noted,) = store.read([module.KEPT_VIEWS])
    assert store.commit([StateChange(module.KEPT_VIEWS, noted.version, content)], [])


def test_a_store_keeps_the_views_that_were_noted_last_each_once(store: OnlineStore) -> None:
    assert digests(store) == []
    keep_views(store, [VIEW, ROWS, VIEW])
    assert digests(store) == [VIEW.digest, ROWS.digest]
    (before,) = store.read([module.KEPT_VIEWS])
    keep_views(store, [VIEW, ROWS])
    assert store.read([module.KEPT_VIEWS]) == [before], "what is noted already is not written again"
    keep_views(store, [ROWS])
    assert digests(store) == [ROWS.digest]


def test_a_view_of_a_later_code_is_left_out_and_a_note_that_is_none_is_refused(store: OnlineStore) -> None:
    keep_views(store, [VIEW])
    (noted,) = store.read([module.KEPT_VIEWS])
    texts = msgspec.json.decode(noted.content, type=list[str])
    write(store, msgspec.json.encode([*texts, '{"format_version": 99}']))
    assert digests(store) == [VIEW.digest]
    write(store, b"{")
    with pytest.raises(OnlineStoreError, match="note of its views cannot be read"):
        kept_views(store)


def test_the_tags_of_states_are_those_of_all_entities_of_all_views() -> None:
    assert state_tags([ROWS]) == frozenset()
    assert state_tags([VIEW, ROWS]) == state_tags([VIEW])
    assert len(state_tags([VIEW])) == 2
