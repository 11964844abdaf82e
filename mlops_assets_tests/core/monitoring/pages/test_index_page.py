"""The page over all products says where each stands."""

from pathlib import Path

from mlops_assets.core.monitoring.pages.index_page import description_of, index_page
from mlops_assets.core.monitoring.pages.markup import NOTHING, document
from mlops_assets_tests.support.documents.html_pages import HtmlPage


def test_each_product_with_windows_is_linked_with_what_its_page_says(tmp_path: Path) -> None:
    for product, words in (("b_product", "All is <well>"), ("a_product", "Broken")):
        page = tmp_path / product / "verdicts" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(document(title=product, summary=words, body=NOTHING), encoding="utf-8")
    (tmp_path / "c_product" / "drift_report").mkdir(parents=True)
    index = HtmlPage(index_page(tmp_path, kind="verdicts"))
    assert index.links == ["a_product/verdicts/index.html", "b_product/verdicts/index.html"]
    assert "a_product: Broken." in index.text
    assert "b_product: All is <well>." in index.text


def test_a_page_that_says_nothing_of_itself_is_empty_words(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>no head")
    assert description_of(tmp_path / "page.html") == ""
    assert description_of(tmp_path / "gone.html") == ""
