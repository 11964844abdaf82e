"""The feature views whose states a store keeps: a note in the store, which services read and loads write.

A service puts each event into the states of all of them, also of views that no version answers by yet: a version with
another view then finds states without a gap when it is released.
"""

from collections.abc import Sequence

import msgspec

from mlops_assets.core.errors import FeatureError, OnlineStoreError
from mlops_assets.core.features.online.layout import entity_layouts
from mlops_assets.core.features.stored_view import view_from_json, view_to_json
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.online_store.protocol import OnlineStore, StateChange

KEPT_VIEWS = "kept views"
"""Key of the note; keys of states have an @."""
MAXIMUM_ATTEMPTS = 100


def kept_views(store: OnlineStore) -> tuple[FeatureView, ...]:
    """Return the views whose states the store keeps; none before the first load.

    A view that this code cannot read, written by a later one, is left out: no version of this service answers by it.

    Raises: OnlineStoreError when the note is none of ours.
    """
    content = store.read([KEPT_VIEWS])[0].content
    if not content:
        return ()
    try:
        texts = msgspec.json.decode(content, type=list[str])
    except msgspec.MsgspecError as error:
        raise OnlineStoreError(f"the store's note of its views cannot be read: {error}") from error
    return tuple(view for text in texts if (view := _read(text)) is not None)


def keep_views(store: OnlineStore, views: Sequence[FeatureView]) -> None:
    """Note that the store keeps the states of these views, and of no others.

    Raises: OnlineStoreError.
    """
    content = msgspec.json.encode([view_to_json(view) for view in _once(views)])
    for _ in range(MAXIMUM_ATTEMPTS):
        (noted,) = store.read([KEPT_VIEWS])
        if noted.content == content or store.commit([StateChange(KEPT_VIEWS, noted.version, content)], []):
            return
    raise OnlineStoreError(f"{KEPT_VIEWS} was changed by other loads {MAXIMUM_ATTEMPTS} times in a row")


def state_tags(views: Sequence[FeatureView]) -> frozenset[str]:
    """Return the tags of the states that these views keep; see `EntityLayout.tag`."""
    return frozenset(layout.tag for view in views for layout in entity_layouts(view))


def _once(views: Sequence[FeatureView]) -> list[FeatureView]:
    return list({view.digest: view for view in views}.values())


def _read(text: str) -> FeatureView | None:
    try:
        return view_from_json(text)
    except FeatureError:
        return None
