"""Evidently's pages as files, with a warning at the top of one whose numbers are not ours."""

import hashlib
import logging
import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import escape

from mlops_assets.core.files import replace_text
from mlops_assets.core.free_text import harmless

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

_log = logging.getLogger(__name__)
_BODY = "<body>"
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_PROGRAM_CHARACTERS = 500_000
"""A script of so many characters is Evidently's program, the same in every page; the page's data are far fewer."""
_LOOK = "padding: 8px 24px; font: 16px sans-serif; background: #fff8dc; color: #1b1f24"
_FIRST = f'<aside role="note" style="{_LOOK}"><p>Warning: '
_BETWEEN, _LAST = "</p><p>Warning: ", "</p></aside>"


def save_page(snapshot: "Snapshot", path: Path, differences: Sequence[str]) -> Path:
    """Write Evidently's page, replacing an earlier one in one step; return its path.

    Each difference between its numbers and ours is a line at its top, and a warning in the log: a picture of a sample,
    or by another rule, is no reason to fail. Evidently's program, nine tenths of a page, lies once for all pages of a
    product in the folder above.
    """
    for words in differences:
        _log.warning("%s: %s", path.name, words)
    text = _SCRIPT.sub(
        lambda found: _linked(found, path.parent.parent), snapshot.get_html_str(as_iframe=False)
    )
    if not differences:
        return replace_text(path, text)
    lines = _BETWEEN.join(str(escape(harmless(words))) for words in differences)
    note = f"{_FIRST}{lines}{_LAST}"
    with_note = text.replace(_BODY, f"{_BODY}{note}", 1) if _BODY in text else f"{note}{text}"
    return replace_text(path, with_note)


def _linked(script: re.Match[str], folder: Path) -> str:
    """Return a script as it is, or a link to the file of the folder that holds it, where it is the program."""
    code = script.group(1)
    if len(code) < _PROGRAM_CHARACTERS:
        return script.group()
    name = f"evidently-{hashlib.sha256(code.encode()).hexdigest()[:16]}.js"
    if not (folder / name).is_file():
        replace_text(folder / name, code)
    return f'<script charset="utf-8" src="../{name}"></script>'


def differences_in(page: Path) -> tuple[str, ...]:
    """Return the differences that a page shows; none of a page that is not there."""
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    _, found, rest = text.partition(_FIRST)
    lines, end, _ = rest.partition(_LAST)
    return tuple(unescape(words) for words in lines.split(_BETWEEN)) if found and end else ()
