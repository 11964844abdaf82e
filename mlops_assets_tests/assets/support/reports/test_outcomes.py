"""Which outcomes a champion is judged by."""

from datetime import timedelta

from mlops_assets.assets.support.reports.outcomes import are_used_rows, unseen_outcomes
from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.release.champion import load_champion
from mlops_assets_tests.support.homes.small_home import AS_OF, LAST_DAY, SmallHome

DAYS = DayRange(AS_OF, LAST_DAY + timedelta(days=1), "known_date")


def test_outcomes_are_of_events_after_the_champions_knowledge(released_home: SmallHome) -> None:
    product, tables = released_home.product, released_home.tables
    champion = load_champion(released_home.control, product.name, declared_view=product.view)
    window = ReportWindow(DAYS, LAST_DAY)
    outcomes = unseen_outcomes(tables, product, champion, window, columns=["terminal_id"])
    assert outcomes.height > 0
    assert outcomes["event_timestamp"].min() >= champion.as_of  # pyright: ignore[reportOperatorIssue]
    assert outcomes["prediction_id"].is_unique().all()
    assert {"customer_id", "terminal_id"} <= set(outcomes.columns)
    assert not are_used_rows(tables, product, champion, outcomes)
