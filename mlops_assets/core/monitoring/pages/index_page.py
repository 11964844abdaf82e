"""The page over all products: where the newest window of each stands."""

from html.parser import HTMLParser
from pathlib import Path

from mlops_assets.core.monitoring.pages.markup import document, fill, joined
from mlops_assets.core.monitoring.pages.neighbours import ALL_WINDOWS

_HEAD = 2_000
"""Characters of a page in which its description stands."""


def index_page(reports: Path, *, kind: str) -> str:
    """Return the page as text: a line per product that has a page over all windows, with what that says of itself.

    reports: the folder of all pages. kind: the folder of a product's pages of windows.
    """
    pages = sorted(reports.glob(f"*/{kind}/{ALL_WINDOWS}.html"))
    lines = [
        fill(
            '<li><a href="{address}">{product}</a>: {words}.</li>',
            address=page.relative_to(reports).as_posix(),
            product=page.parent.parent.name,
            words=description_of(page),
        )
        for page in pages
    ]
    body = fill("<h1>Monitoring</h1><ul>{lines}</ul>", lines=joined(*lines))
    return document(title="Monitoring", summary="All products", body=body)


def description_of(page: Path) -> str:
    """Return what a page says of itself in its head; empty where it says nothing, or is gone."""
    head = _Head()
    try:
        with page.open(encoding="utf-8") as opened:
            head.feed(opened.read(_HEAD))
    except FileNotFoundError:
        return ""
    return head.description


class _Head(HTMLParser):
    """Finds the description in the head of a page."""

    description = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the description; called by the parser."""
        named = dict(attrs)
        if tag == "meta" and named.get("name") == "description":
            self.description = named.get("content") or ""
