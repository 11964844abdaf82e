"""HTML whose text is escaped by default, the frame of every page, and how numbers are written."""

import math

from markupsafe import Markup, escape

from mlops_assets.core.free_text import harmless
from mlops_assets.core.monitoring.pages.style import STYLE

NOTHING = Markup("")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""A page loads nothing and runs nothing, whoever serves it."""


def fill(template: str, **parts: object) -> Markup:
    """Return a template of HTML with its parts put in: markup as it is, anything else escaped.

    Characters of a text that are not shown (control, direction of writing) are replaced by one that is.
    """
    safe = {
        name: part if isinstance(part, Markup) else escape(harmless(str(part)))
        for name, part in parts.items()
    }
    # Markup's own `format` escapes too, and takes most of a page's time.
    return Markup(template.format(**safe))  # noqa: S704 - templates are constants of these modules


def joined(*parts: Markup) -> Markup:
    """Return the parts one after the other."""
    return NOTHING.join(parts)


def document(*, title: str, summary: str, body: Markup) -> str:
    """Return a whole page: one file without scripts, which loads nothing.

    title: of the browser's tab. summary: what is said of it where it is listed. body: from the first heading on.
    """
    page = fill(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="description" content="{summary}"><title>{title}</title><link rel="icon" href="data:,">'
        "<style>{style}</style></head>\n<body>\n{body}\n</body></html>\n",
        policy=_POLICY,
        summary=summary,
        title=title,
        style=STYLE,
        body=body,
    )
    return str(page)


def number(value: float | None) -> str:
    """Return a number with the digits that a person reads; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def counted(many: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun: `1 alarm`, `2 alarms`."""
    return f"{many:,} {one if many == 1 else more or one + 's'}"
