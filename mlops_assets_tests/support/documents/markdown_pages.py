"""The documentation's pages and what is in them: links, code spans and fenced blocks."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FENCE = re.compile(r"^```(\w*)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; `start` is where it begins in the page."""

    language: str
    title: str
    text: str
    start: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(_SPAN.sub("", self.prose))

    @property
    def anchors(self) -> set[str]:
        """GitHub's ids of the headings."""
        titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(self.prose))
        return {title.strip().replace(" ", "-") for title in titles}

    def blocks(self, language: str) -> list[Block]:
        return [
            Block(*m.groups(default=""), m.start()) for m in _FENCE.finditer(self.text) if m[1] == language
        ]

    def block(self, title: str) -> str:
        return next(
            block.text for m in ("yaml", "python") for block in self.blocks(m) if block.title == title
        )

    @property
    def commands(self) -> list[str]:
        """Lines of bash blocks, and code spans, without comments."""
        lines = [line for block in self.blocks("bash") for line in block.text.splitlines()]
        return [line.split(" #")[0].strip() for line in (*lines, *_SPAN.findall(self.prose))]


def pages() -> list[Page]:
    """The pages of the root, everything below docs, and the READMEs of benchmarks and products."""
    patterns = ("*.md", "docs/**/*.md", "benchmarks/README.md", "mlops_assets/products/*/README.md")
    return [Page(path) for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern))]
