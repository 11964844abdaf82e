"""Features of several views for one event, so that two model versions with other features answer side by side."""

from collections.abc import Mapping, Sequence

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.online.entity_state import LONG_AGO, empty_state
from mlops_assets.core.features.online.event import Value
from mlops_assets.core.features.online.executor import OnlineAnswer, OnlineFeatures, content_columns
from mlops_assets.core.features.online.layout import entity_layouts
from mlops_assets.core.features.view import FeatureView

_ANY = empty_state(LONG_AGO)
"""Stands for an absent state of a view that is only kept: whatever comes goes in."""


class Uncomputed(float):
    """Stands where a feature would, of a view that could not be computed for an event; holds the reason."""

    error: Exception

    @classmethod
    def because(cls, error: Exception) -> "Uncomputed":
        """Make one; as a number it is NaN."""
        made = cls("nan")
        made.error = error
        return made


class SeveralViews:
    """`OnlineFeatures` for several views at once: the features of each, one view after the other.

    States are those of the views: two views share the states that both lay out alike, and each event goes into the
    states of all of them. It becomes known to all at one time, so that the vectors of each view can be derived again
    from the captured events. The first view is the one that must be computed: what it refuses is refused. Where
    another fails, its features are `Uncomputed`, and its own states stay without the event. A view of which no feature
    is asked only gets each event into its states, also before they are loaded.
    """

    def __init__(self, views: Sequence[tuple[FeatureView, Sequence[str]]]) -> None:
        """Each view with the names of the features to compute of it; none of them twice.

        Raises: FeatureError when two views read other columns as id or time; as `OnlineFeatures` does.
        """
        first = views[0][0]
        for view, _ in views[1:]:
            if (view.id_column, view.event_timestamp) != (first.id_column, first.event_timestamp):
                raise FeatureError(
                    f"view {view.name} reads {view.id_column} and {view.event_timestamp} as id and time of an event, "
                    f"but the champion's reads {first.id_column} and {first.event_timestamp}: both cannot serve at once"
                )
        self._views = tuple(
            OnlineFeatures(view, names, content=_content_in(view, first)) for view, names in views
        )
        asked = [view for view in self._views if view.names] if first.event_timestamp is not None else []
        self._empty_keys = tuple(view.empty_key for view in asked)
        self.empty_key = self._views[0].empty_key
        self.names = tuple(name for view in self._views for name in view.names)

    def keys(self, event: Mapping[str, Value]) -> tuple[str, ...]:
        """The keys of the states that `answer` takes: of every view, and those that stand for absent ones.

        Raises: InvalidEventError as `OnlineFeatures.keys` does.
        """
        keys = [key for view in self._views for key in view.keys(event)]
        return tuple(dict.fromkeys([*keys, *self._empty_keys]))

    def is_late(self, event: Mapping[str, Value], *, now: int) -> bool:
        """Whether the event is so old that its answer needs the state of an absent entity."""
        return any(view.is_late(event, now=now) for view in self._views)

    def answer(
        self,
        event: Mapping[str, Value],
        states: Sequence[bytes],
        *,
        known_at: int | None,
        empty: bytes = b"",
    ) -> OnlineAnswer:
        """Compute the features of all views, and the states with the event in them; None for a state that stays.

        `states` are those of `keys`, in their order. See `OnlineFeatures.answer` for the event and `known_at`.

        Raises: as `OnlineFeatures.answer` does for the first view.
        """
        given = dict(zip(self.keys(event), states, strict=True))
        answers = self._answers(event, given, known_at)
        latest = max((one.known_at or 0 for one in answers if isinstance(one, OnlineAnswer)), default=0)
        first = answers[0]
        if any(isinstance(one, OnlineAnswer) and one.known_at != latest for one in answers) and _is_new(
            first
        ):
            # Where a view's entities were asked later, its state sees the event later: then all do.
            answers = self._answers(event, given, latest)
            first = answers[0]
        features: list[float | None] = []
        changed: dict[str, bytes] = {}
        for view, answer in zip(self._views, answers, strict=True):
            if not isinstance(answer, OnlineAnswer):
                features += [Uncomputed.because(answer)] * len(view.names)
                continue
            features += answer.features
            for key, content in zip(view.keys(event), answer.states or (), strict=answer.states is not None):
                if content is not None:
                    changed.setdefault(key, content)
        next_states = tuple([changed.get(key) for key in given]) if changed or not given else None
        return OnlineAnswer(tuple(features), first.known_at, next_states)  # pyright: ignore[reportAttributeAccessIssue]

    def _answers(
        self, event: Mapping[str, Value], given: Mapping[str, bytes], known_at: int | None
    ) -> list[OnlineAnswer | Exception]:
        answers: list[OnlineAnswer | Exception] = []
        for view in self._views:
            try:
                answer = view.answer(
                    event,
                    [given[key] for key in view.keys(event)],
                    known_at=known_at,
                    empty=given.get(view.empty_key, b"") if view.names else _ANY,
                )
            except Exception as error:  # whatever another view fails with is no fault of the first
                if not answers:
                    raise
                answers.append(error)
                continue
            if not answers:
                known_at = answer.known_at
            answers.append(answer)
        return answers


def _is_new(answer: OnlineAnswer | Exception) -> bool:
    return isinstance(answer, OnlineAnswer) and answer.states is not None


def _content_in(view: FeatureView, first: FeatureView) -> tuple[str, ...]:
    """The columns by which an event is told from another one: those of the first view where both share states."""
    shares = {layout.tag for layout in entity_layouts(view)} & {
        layout.tag for layout in entity_layouts(first)
    }
    return content_columns(first if shares else view)
