"""A page of HTML taken apart: what a reader sees, and what would run or load."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}
SHAPES = {"line", "rect", "circle", "polyline", "polygon", "path"}
"""Elements of SVG that the pages close themselves."""


class HtmlPage(HTMLParser):
    """Tags, attributes, text and headings of a page; elements must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self.feed(str(text))  # a plain text: what is added to Markup would be escaped
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        opened = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if any(tag in self._open for tag in ("h1", "h2", "h3")):
            level, words = self.headings[-1]
            self.headings[-1] = (level, words + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every element of that name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def links(self) -> list[str]:
        """Addresses of all links."""
        return [str(one["href"]) for one in self.all("a")]
