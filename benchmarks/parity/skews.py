"""The seeded skews of `benchmarks.parity`: ways in which a service is wrong, put into a correct one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import numpy as np

from benchmarks.parity.home import ParityHome
from mlops_assets.core.features.online.event import Value
from mlops_assets.core.features.online.executor import OnlineAnswer, OnlineFeatures
from mlops_assets.core.features.online.several_views import SeveralViews
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets.core.online_store.protocol import ScoringStore, StateChange, StoredState
from mlops_assets.core.serving.scoring import OnlineScoring

HOUR_MICROSECONDS = 3_600_000_000
SHIFTED_HOURS = 2
LOST_EVERY = 40
"""One commit of so many loses its states."""


class Skew(Protocol):
    """One way to be wrong."""

    name: str
    """The word by which the parity report should name it."""

    def home(self, home: ParityHome) -> ParityHome:
        """The home as the wrong service sees it."""
        ...

    def scoring(self, scoring: OnlineScoring) -> OnlineScoring:
        """The service made wrong."""
        ...

    def loads(self) -> bool:
        """Whether the state is brought up to date each midnight."""
        ...


class Correct:
    """No skew; what the others change one thing of."""

    name = ""

    def home(self, home: ParityHome) -> ParityHome:
        """As it is."""
        return home

    def scoring(self, scoring: OnlineScoring) -> OnlineScoring:
        """As it is."""
        return scoring

    def loads(self) -> bool:
        """Every midnight."""
        return True


class TimeZone(Correct):
    """The service takes event times for those of a place SHIFTED_HOURS away."""

    name = "time zone"

    def scoring(self, scoring: OnlineScoring) -> OnlineScoring:
        """Shift the event time on the way into the features; the captured request keeps the true one."""
        scoring.arms.features = _Shifted(scoring.arms.features)  # pyright: ignore[reportAttributeAccessIssue]
        return scoring


class StaleLabel(Correct):
    """The state is never loaded again, so that labels that become known do not reach it."""

    name = "stale label"

    def loads(self) -> bool:
        """Never."""
        return False


class LostEvent(Correct):
    """Now and then the prediction is captured, but the state does not get the event."""

    name = "lost event"

    def scoring(self, scoring: OnlineScoring) -> OnlineScoring:
        """Drop the state changes of every LOST_EVERY-th commit."""
        scoring.store = _Losing(scoring.store)  # pyright: ignore[reportAttributeAccessIssue]
        return scoring


class OffByOneWindow(Correct):
    """The online executor's windows are closed at their far end: a row exactly that old is still seen."""

    name = "off-by-one window"

    def home(self, home: ParityHome) -> ParityHome:
        """Longer windows by a microsecond under the same names, in loading and in serving alike."""
        return replace(home, wrong_view=_closed(home.product.view))


class Float32Cast(Correct):
    """Vectors pass through 32-bit floats."""

    name = "float32 cast"

    def scoring(self, scoring: OnlineScoring) -> OnlineScoring:
        """Round every feature."""
        scoring.arms.features = _Rounded(scoring.arms.features)  # pyright: ignore[reportAttributeAccessIssue]
        return scoring


SKEWS: Sequence[Skew] = (TimeZone(), StaleLabel(), LostEvent(), OffByOneWindow(), Float32Cast())


class _Features:
    """The online features as they are."""

    def __init__(self, features: OnlineFeatures | SeveralViews) -> None:
        self._features = features
        self.names, self.empty_key = features.names, features.empty_key
        self.keys, self.is_late = features.keys, features.is_late

    def answer(self, event: Mapping[str, Value], states: Sequence[bytes], **options: object) -> OnlineAnswer:
        return self._features.answer(event, states, **options)  # pyright: ignore[reportArgumentType]


class _Shifted(_Features):
    def answer(self, event: Mapping[str, Value], states: Sequence[bytes], **options: object) -> OnlineAnswer:
        moved = int(event["event_timestamp"] or 0) + SHIFTED_HOURS * HOUR_MICROSECONDS
        return super().answer({**event, "event_timestamp": moved}, states, **options)


class _Rounded(_Features):
    def answer(self, event: Mapping[str, Value], states: Sequence[bytes], **options: object) -> OnlineAnswer:
        answer = super().answer(event, states, **options)
        return answer._replace(
            features=tuple(None if v is None else float(np.float32(v)) for v in answer.features)
        )


class _Losing:
    """A store that forgets states now and then."""

    def __init__(self, store: ScoringStore) -> None:
        self._store, self._commits = store, 0

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        return self._store.read(keys)

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        self._commits += 1
        return self._store.commit([] if self._commits % LOST_EVERY == 0 else changes, records)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class _ClosedWindow(WindowFeature):
    """A window that is a microsecond longer than its name says."""

    def feature_name(self, window: timedelta) -> str:
        return super().feature_name(window - timedelta(microseconds=1))

    def feature_description(self, window: timedelta) -> str:
        return super().feature_description(window - timedelta(microseconds=1))


def _closed(view: FeatureView) -> FeatureView:
    def change(feature: WindowFeature) -> WindowFeature:
        fields = {name: getattr(feature, name) for name in feature.__dataclass_fields__}
        longer = tuple(window + timedelta(microseconds=1) for window in feature.windows)
        return _ClosedWindow(**{**fields, "windows": longer})

    return replace(
        view, features=tuple(change(f) if isinstance(f, WindowFeature) else f for f in view.features)
    )
