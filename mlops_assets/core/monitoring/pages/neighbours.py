"""The links from a window's page to those beside it, also in pages that were written before there was a next one."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup

from mlops_assets.core.files import replace_text
from mlops_assets.core.monitoring.pages.markup import fill, joined

ALL_WINDOWS = "index"
"""Name of the page over all windows, beside those of each."""
_LINKS = re.compile(r'<nav aria-label="Windows">.*?</nav>', re.DOTALL)


def windows_there(folder: Path) -> list[str]:
    """Return the names of the windows that have a page, in order; none for a folder that is not there."""
    return sorted(page.stem for page in folder.glob("*.html") if page.stem != ALL_WINDOWS)


def links(before: str | None, after: str | None) -> Markup:
    """Return the links to the window before, to all, and to the one after; None where there is none."""
    return fill(
        '<nav aria-label="Windows">{links}</nav>',
        links=joined(
            _link(before, '<a rel="prev" href="{name}.html">← {name}</a>', "<span>oldest page</span>"),
            fill('<a href="{all}.html">All windows</a>', all=ALL_WINDOWS),
            _link(after, '<a rel="next" href="{name}.html">{name} →</a>', "<span>newest page</span>"),
        ),
    )


def link_neighbours(folder: Path, written: Iterable[str]) -> None:
    """Make the links of the written windows' pages, and of those beside them, lead to the pages that are there.

    The oldest page is mended too: the one before it may be gone by the retention policy.
    """
    names = windows_there(folder)
    places = {name: place for place, name in enumerate(names)}
    touched = {0} if names else set()
    for name in written:
        if name in places:
            touched |= {places[name] - 1, places[name], places[name] + 1}
    for place in sorted(touched & set(range(len(names)))):
        _mend(
            folder / f"{names[place]}.html",
            links(names[place - 1] if place else None, names[place + 1] if place + 1 < len(names) else None),
        )


def _mend(page: Path, wanted: Markup) -> None:
    """Replace the page's links; it stays as old as it was, so that the retention policy still lets it go."""
    try:
        text, times = page.read_text(encoding="utf-8"), page.stat()
    except FileNotFoundError:  # the retention policy took it meanwhile
        return
    mended = _LINKS.sub(lambda _found: str(wanted), text, count=1)
    if mended != text:
        replace_text(page, mended)
        os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))


def _link(name: str | None, template: str, otherwise: str) -> Markup:
    return fill(otherwise) if name is None else fill(template, name=name)
