"""The page over all windows: linked, bounded, and the same for the same table."""

from datetime import timedelta
from time import perf_counter

import polars as pl

from mlops_assets.core.monitoring.finding import FINDINGS_SCHEMA
from mlops_assets.core.monitoring.pages.headline import TOPICS
from mlops_assets.core.monitoring.pages.trend_page import ProductFacts, trend_page
from mlops_assets_tests.support.documents.html_pages import HtmlPage
from mlops_assets_tests.support.documents.judged_windows import FIRST, verdicts_of

FACTS = ProductFacts(product="fraud_detection", title="Fraud <detection>", false_alarms=0.5)


def days_of(windows: int) -> list[str]:
    return [(FIRST + timedelta(days=place)).isoformat() for place in range(windows)]


def made(verdicts: pl.DataFrame, *, pages: list[str]) -> str:
    days = verdicts["event_date"].unique().sort()
    return trend_page(FACTS, verdicts, dict.fromkeys(days, 80), pages=pages)


def test_every_window_is_in_the_calendar_and_leads_to_its_page() -> None:
    days = days_of(61)
    page = HtmlPage(made(verdicts_of(61), pages=days[1:]))
    calendar = [one for one in page.all("a") if one.get("title")]
    assert {str(one["href"]) for one in calendar} == {f"{day}.html" for day in days[1:]}
    assert "2018-04-01: inconclusive, its page is gone" in [one.get("title") for one in page.all("span")]
    assert set(page.links) <= {f"{day}.html" for day in days[1:]} | {"../../index.html"}
    alarms = {str(one["href"]) for one in calendar if one["class"] == "alarm"}
    assert {f"{days[20]}.html", f"{days[49]}.html", f"{days[60]}.html"} <= alarms
    assert page.headings[0] == (1, "Fraud <detection>: all windows")
    assert "at most 0.5 false alarms a quarter" in page.text


def test_each_topic_with_numbers_has_pictures() -> None:
    page = HtmlPage(made(verdicts_of(30), pages=[]))
    titles = [words for level, words in page.headings if level == 3]
    for title in (
        "Performance: average precision",
        "Estimated performance: average precision",
        "Prediction drift: score",
        "Drift of columns: column_0",
        "Volume: events per day",
    ):
        assert title in titles
    assert "The estimate before the labels came is the dotted line." in page.text
    assert all(one.get("aria-label") for one in page.all("svg"))


def test_a_version_is_named_from_its_first_window_on() -> None:
    page = HtmlPage(made(verdicts_of(120), pages=[]))
    assert "version 1 from 2018-04-01 on" in page.text
    assert "version 2 from 2018-07-10 on" in page.text


def test_500_windows_of_40_columns_are_a_bounded_page_in_two_seconds() -> None:
    verdicts = verdicts_of(500, columns=40)
    began = perf_counter()
    text = made(verdicts, pages=days_of(500))
    assert perf_counter() - began < 2.0
    assert len(text.encode()) < 500_000
    assert text == made(verdicts, pages=days_of(500))
    assert "each point is the worst of some neighbours" in HtmlPage(text).text


def test_each_topic_keeps_a_picture_where_there_are_too_many() -> None:
    one = verdicts_of(500, columns=3).filter(pl.col("topic") == "drift")
    everything = pl.concat(
        one.with_columns(topic=pl.lit(topic), state=pl.lit("alarm", pl.String)) for topic in TOPICS
    )
    page = made(everything, pages=days_of(500))
    titles = [words.split(":")[0] for level, words in HtmlPage(page).headings if level == 3 and ":" in words]
    assert set(titles) == {*TOPICS.values(), "Volume"} - {"Data quality"}
    assert len(titles) == 19
    assert len(page.encode()) < 700_000


def test_a_product_without_windows_has_a_page() -> None:
    empty = pl.DataFrame(schema={**FINDINGS_SCHEMA, "champion_version": pl.Int64, "event_date": pl.Date})
    assert "No window was judged yet." in HtmlPage(trend_page(FACTS, empty, {}, pages=[])).text
    nulls = verdicts_of(3).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("value", "low", "high", "limit")
    )
    assert "2018-04-03" in HtmlPage(made(nulls, pages=[])).text
