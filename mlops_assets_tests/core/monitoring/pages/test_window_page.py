"""A window's page opens with the verdict and the reasons, shows the worst columns, and stays small."""

from collections.abc import Sequence

import numpy as np

from mlops_assets.core.monitoring.drift.windows import ComparedColumn
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.pages.neighbours import links
from mlops_assets.core.monitoring.pages.window_page import FurtherPage, WindowFacts, window_page
from mlops_assets_tests.support.documents.html_pages import HtmlPage
from mlops_assets_tests.support.documents.judged_windows import (
    compared,
    drift_finding,
    facts,
    fault_finding,
    performance_finding,
)

DRIFT = drift_finding("amount_usd", state="alarm", moved=0.31)
COLUMN = compared(np.random.default_rng(0).lognormal(3.5, 0.8, 1000))


def text_of(
    findings: Sequence[Finding],
    worst: Sequence[tuple[Finding, ComparedColumn]] = (),
    told: WindowFacts | None = None,
) -> str:
    return window_page(told or facts(), findings, worst, links=links("2018-05-30", None))


def page_of(findings: Sequence[Finding], worst: Sequence[tuple[Finding, ComparedColumn]] = ()) -> HtmlPage:
    return HtmlPage(text_of(findings, worst))


def test_verdict_reasons_and_pictures_come_before_the_tables() -> None:
    page = page_of([drift_finding("nights"), DRIFT, performance_finding("inconclusive")], [(DRIFT, COLUMN)])
    order = [
        "Changed: amount_usd; no loss of quality is shown.",
        "amount_usd (drift of columns, changed): 31.0% of the rows moved",
        "average_precision (performance): Average precision is",
        "1,000 rows in the window",
        "nights",
        "at most one false alarm a quarter",
    ]
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)
    assert page.headings[0][0] == 1
    assert all(
        after <= before + 1 for (before, _), (after, _) in zip(page.headings, page.headings[1:], strict=False)
    )
    assert all(one.get("aria-label") for one in page.all("svg"))
    assert {one["class"] for one in page.all("p") if one.get("class")} == {"verdict alarm"}
    for fact in (
        "2018-05-25 to 2018-05-31",
        "3, made as of 2018-05-20 00:00 UTC",
        "2017-05-21 to 2018-05-19",
    ):
        assert fact in page.text


def test_a_short_history_says_when_it_can_tell() -> None:
    short = [drift_finding(f"column_{place}", state="inconclusive", limit=None) for place in range(40)]
    page = page_of(short)
    assert "A version made as of 2018-06-12 or later has enough history to judge columns." in page.text
    assert "Drift of columns: 37 more, in the table below." in page.text
    assert "2018-06-12" not in page_of([DRIFT]).text


def test_words_of_others_are_shown_letter_by_letter() -> None:
    hostile = '<img src=x onerror="alert(1)">\u202e'
    finding = Finding(topic="drift", subject=hostile, state="alarm", reason=hostile, value=0.5, limit=0.1)
    page = page_of([finding], [(finding, COLUMN)])
    assert page.all("img") == []
    assert page.all("script") == []
    assert '<img src=x onerror="alert(1)">\N{REPLACEMENT CHARACTER}' in page.text


def test_evidentlys_page_is_linked_or_it_is_said_how_to_get_it_and_a_difference_is_a_warning() -> None:
    further = (
        FurtherPage(
            title="Drift report", address="../drift_report/d.html", command="", differences=("3 is not 4",)
        ),
        FurtherPage(title="Outcomes", address=None, command="dg launch --assets a/b --partition 2018-05-31"),
    )
    page = HtmlPage(text_of([DRIFT], told=facts(further=further)))
    assert "../drift_report/d.html" in page.links
    assert "Warning: 3 is not 4" in page.text
    assert "dg launch --assets a/b --partition 2018-05-31" in page.text


def test_a_page_stays_small_and_is_the_same_for_the_same_findings() -> None:
    many = [
        drift_finding(f"a_rather_long_name_of_column_{place}", state="alarm", moved=0.5)
        for place in range(2000)
    ]
    text = text_of(many, [(many[0], COLUMN)] * 3)
    assert len(text.encode()) < 80_000
    assert text == text_of(many, [(many[0], COLUMN)] * 3)
    assert "1,990 more reasons in the tables below" in HtmlPage(text).text
    assert "1,940 more in the table verdicts" in HtmlPage(text).text


def test_a_window_of_which_nothing_is_known_has_a_page() -> None:
    assert "Nothing is known of this window." in page_of([]).text
    fault = page_of([fault_finding("amount_usd", "2018-05-30")])
    assert "amount_usd on 2018-05-30" in fault.text
