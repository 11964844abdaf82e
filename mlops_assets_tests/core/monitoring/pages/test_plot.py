"""Places of values in a picture, and round values beside it."""

import pytest

from mlops_assets.core.monitoring.pages.plot import WIDTH, Plot, round_values
from mlops_assets_tests.support.documents.html_pages import HtmlPage


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, (0.0, 0.5, 1.0)),
        (0.0, 0.37, (0.0, 0.1, 0.2, 0.3)),
        (3.0, 3.0, (3.0,)),
        (95.0, 210.0, (100.0, 150.0, 200.0)),
    ],
)
def test_round_values_lie_between_the_ends(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert round_values(low, high) == pytest.approx(expected)


def test_larger_values_lie_to_the_right_and_higher_and_none_outside() -> None:
    plot = Plot((0.0, 10.0), (0.0, 1.0))
    assert plot.x(0.0) < plot.x(5.0) < plot.x(10.0) == plot.x(99.0) <= WIDTH
    assert plot.height > plot.y(0.0) > plot.y(1.0) == plot.y(7.0) >= 0
    assert 0 <= Plot((1.0, 1.0), (2.0, 2.0)).x(1.0) <= WIDTH


def test_labels_that_would_run_into_each_other_are_left_out() -> None:
    plot = Plot((0.0, 100.0), (0.0, 1.0))
    far = plot.x_axis([(0.0, "2018-04-01"), (50.0, "2018-05-01"), (100.0, "2018-06-01")])
    near = plot.x_axis([(place, "2018-04-01") for place in range(0, 100, 2)])
    assert far.count("<text") == 3
    assert 2 <= near.count("<text") <= 6


def test_a_picture_says_what_it_shows() -> None:
    page = HtmlPage(Plot((0, 1), (0, 1)).svg('5 " of <b>', Plot((0, 1), (0, 1)).y_axis()))
    assert [one["aria-label"] for one in page.all("svg")] == ['5 " of <b>']
