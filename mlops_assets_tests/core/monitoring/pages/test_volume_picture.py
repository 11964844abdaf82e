"""Events per day: a day without events is a gap, a broken one stands out."""

from datetime import date, timedelta

from mlops_assets.core.monitoring.pages.series_picture import MOST_POINTS
from mlops_assets.core.monitoring.pages.volume_picture import volume_figure
from mlops_assets_tests.support.documents.html_pages import HtmlPage

FIRST = date(2018, 4, 1)


def test_each_day_has_a_bar_and_a_broken_one_another_colour() -> None:
    days = [FIRST + timedelta(days=place) for place in range(10)]
    events = {day: 80 for day in days if day != days[4]}
    page = HtmlPage(volume_figure(events, silent={days[4], days[5]}, days=(days[0], days[-1])))
    bars = page.all("rect")
    assert len(bars) == 10
    assert bars[4]["height"] == "0.0"
    assert [place for place, one in enumerate(bars) if "alarm" in str(one["class"])] == [4, 5]
    assert "720 events on 10 days; 2 days with a fault" in page.text


def test_many_days_share_bars_and_none_at_all_can_be_drawn() -> None:
    page = HtmlPage(volume_figure({}, silent=(), days=(FIRST, FIRST + timedelta(days=2000))))
    assert len(page.all("rect")) <= MOST_POINTS
    assert "nan" not in str(page.tags)
