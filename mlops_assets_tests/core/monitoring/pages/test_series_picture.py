"""A number over the windows: no alarm is lost, however many there are."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from mlops_assets.core.monitoring.finding import State
from mlops_assets.core.monitoring.pages.series_picture import (
    MOST_POINTS,
    WindowPoint,
    grouped,
    series_figure,
    worst_of_each,
)
from mlops_assets_tests.support.documents.html_pages import HtmlPage

FIRST = date(2018, 4, 1)


def point(
    number: int, *, state: State = "ok", value: float | None = 0.7, limit: float | None = 0.6
) -> WindowPoint:
    interval = (None, None) if value is None else (value - 0.1, value + 0.1)
    return WindowPoint(
        day=FIRST + timedelta(days=number),
        state=state,
        value=value,
        low=interval[0],
        high=interval[1],
        limit=limit,
    )


def drawn(*points: WindowPoint, beside: tuple[WindowPoint, ...] = ()) -> HtmlPage:
    days = (points[0].day, points[-1].day)
    return HtmlPage(series_figure("Recall", points, days=days, beside=beside, beside_title="The estimate"))


def test_a_point_leads_to_its_window_and_has_the_colour_of_its_state() -> None:
    page = drawn(point(0), point(1, state="alarm", value=0.5), point(2, state="inconclusive"))
    assert page.links == ["2018-04-01.html", "2018-04-02.html", "2018-04-03.html"]
    assert [one["class"] for one in page.all("circle")] == ["p ok", "p alarm", "p inconclusive"]
    assert len(page.all("polygon")) == 1
    assert "0.7 [0.6, 0.8] on 2018-04-03, limit 0.6 (dashed); 1 alarm in 3 windows." in page.text
    assert {one["role"] for one in page.all("svg")} == {"group"}


def test_a_window_without_a_page_or_without_a_value_leads_nowhere() -> None:
    gone = WindowPoint(day=FIRST, state="ok", value=0.7, has_page=False)
    page = drawn(gone, point(1, value=None), point(2))
    assert page.links == ["2018-04-03.html"]
    assert len(page.all("circle")) == 2
    assert "No window has a value." in drawn(point(0, value=None)).text


def test_a_limit_that_changes_is_a_line_of_its_own_and_the_estimate_is_drawn_beside() -> None:
    page = drawn(point(0), point(1, limit=0.5), beside=(point(0, value=0.9), point(1, value=0.95)))
    assert [one["class"] for one in page.all("polyline")] == ["limit", "other", "line"]
    assert "The estimate is the dotted line." in page.text
    assert [one["class"] for one in drawn(point(0), point(1)).all("polyline")] == ["line"]


def test_a_limit_on_both_sides_is_two_lines_that_do_not_jump() -> None:
    sides = [replace(point(n, limit=(0.9, 0.4)[n % 2]), expected=(0.7, 0.6)[n % 2]) for n in range(6)]
    lines = [str(one["points"]) for one in drawn(*sides).all("polyline") if one["class"] == "limit"]
    heights = [[float(pair.split(",")[1]) for pair in line.split()] for line in lines]
    assert len(heights) == 2
    assert max(heights[0]) < min(heights[1])  # the picture's heights grow downwards
    one_side = [replace(point(n, limit=0.9), expected=0.7) for n in range(6)]
    assert len([one for one in drawn(*one_side).all("line") if one["class"] == "limit"]) == 1


def test_of_many_windows_each_alarm_is_still_a_point() -> None:
    points = [point(place, state="alarm" if place % 37 == 5 else "ok") for place in range(1000)]
    shown = worst_of_each(points, MOST_POINTS)
    assert len(shown) <= MOST_POINTS
    assert {one.day for one in points if one.state == "alarm"} <= {one.day for one in shown}
    assert shown[-1].day == points[-1].day


@pytest.mark.parametrize(("items", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (501, 190), (380, 190)])
def test_groups_hold_everything_in_order(items: int, most: int) -> None:
    groups = grouped(range(items), most)
    assert len(groups) <= most
    assert [one for group in groups for one in group] == list(range(items))


def test_a_limit_that_no_value_comes_near_does_not_flatten_the_picture() -> None:
    far = (point(0, value=0.18, limit=14.3), point(1, value=0.2, limit=14.3))
    page = drawn(*far)
    assert [one["class"] for one in page.all("polyline")] == ["line"]
    assert [one for one in page.all("line") if one["class"] == "limit"] == []
    assert "limit 14.3 (far outside)" in page.text
    heights = [float(str(one["cy"])) for one in page.all("circle")]
    assert heights[0] - heights[1] > 5


def test_a_number_that_is_always_zero_has_a_scale() -> None:
    page = drawn(point(0, value=0.0, limit=None), point(1, value=0.0, limit=None))
    assert "e-" not in page.text
    assert "limit 0.1 (dashed)" in drawn(point(0, value=0.0, limit=0.1), point(1, value=0.0, limit=0.1)).text
