"""Which windows ask for a retraining: a loss of quality does; drift does unless the quality is known to hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mlops_assets.automation.window_verdicts import BROKEN, DRIFT, ESTIMATE, PERFORMANCE, Window

STABLE = "stable"


@dataclass(frozen=True)
class AskingWindow:
    """All that the reports say of the window that ends on one day, and whether it asks."""

    end: date
    asks: bool
    causes: frozenset[str]
    """What its reports complain about; empty where it does not ask."""
    is_drift: bool
    """Whether drift alarms in it."""
    holds: str | None
    """Why drift asks for nothing: what is known of the quality; None where nothing is."""
    broken: str | None
    """The source that is to be mended first; None where none is."""


def asking_windows(windows: Sequence[Window], *, label_delay: timedelta) -> tuple[AskingWindow, ...]:
    """Judge the windows of one champion by all reports on each, in the order of their ends.

    - A window with a broken source asks for nothing: neither do the outcomes of its events, a label's delay later.
    - A loss asks, with or without drift: outcomes that degraded, or an estimate that did where the outcomes of the same
      events do not say otherwise.
    - Drift asks, unless the quality of the same events is known to hold: by their outcomes, which come a label's delay
      later (*stable*: the whole interval on the good side), or by a trusted estimate while these cannot tell.

    windows: of one champion, oldest record first; of two verdicts of a report on one day the later record counts.
    label_delay: time from an event to its outcome.
    """
    by_report: dict[str, dict[date, Window]] = {DRIFT: {}, PERFORMANCE: {}, ESTIMATE: {}}
    for window in windows:
        by_report[window.report][window.window_end] = window
    ends = sorted({window.window_end for window in windows})
    said = _Said(by_report, label_delay)
    return tuple(said.judge(end) for end in ends)


@dataclass(frozen=True)
class _Said:
    """What each report says of each window."""

    by_report: Mapping[str, Mapping[date, Window]]
    label_delay: timedelta

    def judge(self, end: date) -> AskingWindow:
        found = [report[end] for report in self.by_report.values() if end in report]
        drift = self._of(DRIFT, end)
        is_drift = drift is not None and drift.is_alarm
        broken, holds = self._broken(end), self._holds(end)
        asks = broken is None and (self._is_lost(end) or (is_drift and holds is None))
        causes = frozenset().union(*(window.causes for window in found)) if asks else frozenset()
        return AskingWindow(end, asks, causes, is_drift, holds, broken)

    def _of(self, report: str, end: date) -> Window | None:
        return self.by_report[report].get(end)

    def _broken(self, end: date) -> str | None:
        found = (self._of(report, end) for report in (DRIFT, ESTIMATE))
        return next((one.reason for one in found if one is not None and one.verdict == BROKEN), None)

    def _outcomes(self, end: date) -> Window | None:
        """What the outcomes of the window's events say, once they are known."""
        return self._of(PERFORMANCE, end + self.label_delay)

    def _is_lost(self, end: date) -> bool:
        seen, estimate, outcomes = self._of(PERFORMANCE, end), self._of(ESTIMATE, end), self._outcomes(end)
        is_seen = seen is not None and seen.is_alarm and self._broken(end - self.label_delay) is None
        is_refuted = outcomes is not None and outcomes.verdict == STABLE
        return is_seen or (estimate is not None and estimate.is_alarm and not is_refuted)

    def _holds(self, end: date) -> str | None:
        outcomes, estimate = self._outcomes(end), self._of(ESTIMATE, end)
        if outcomes is not None and outcomes.verdict == STABLE:
            return outcomes.reason
        is_degraded = outcomes is not None and outcomes.is_alarm
        if estimate is not None and estimate.verdict == STABLE and not is_degraded:
            return estimate.reason
        return None
