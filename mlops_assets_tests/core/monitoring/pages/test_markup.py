"""Text is escaped, numbers are short, and a page loads and runs nothing."""

import pytest
from markupsafe import Markup

from mlops_assets.core.monitoring.pages.markup import counted, document, fill, joined, number
from mlops_assets_tests.support.documents.html_pages import HtmlPage

HOSTILE = '<script>alert("1")</script>{title}\u202e'


def test_text_is_escaped_and_markup_is_kept() -> None:
    filled = fill("<p>{text}</p>{more}", text=HOSTILE, more=joined(Markup("<b>"), Markup("</b>")))
    assert (
        filled
        == "<p>&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;{title}\N{REPLACEMENT CHARACTER}</p><b></b>"
    )
    assert HtmlPage(filled).all("script") == []


def test_a_page_is_one_file_that_runs_nothing() -> None:
    page = HtmlPage(document(title=HOSTILE, summary=HOSTILE, body=fill("<h1>{words}</h1>", words=HOSTILE)))
    (policy,) = (
        one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert page.all("script") == []
    assert [one["href"] for one in page.all("link")] == ["data:,"]
    assert page.headings[0][1].startswith("<script>")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.12345, "0.123"),
        (1234567.0, "1,234,567"),
        (-0.5, "-0.5"),
        (0.0, "0"),
    ],
)
def test_a_number_has_the_digits_that_a_person_reads(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_a_noun_follows_its_number() -> None:
    assert [counted(1, "loss", "losses"), counted(2, "loss", "losses"), counted(0, "window")] == [
        "1 loss",
        "2 losses",
        "0 windows",
    ]
