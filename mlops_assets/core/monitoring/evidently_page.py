"""Evidently's pages as files, with a warning at the top of one whose numbers are not ours."""

import hashlib
import logging
import os
from collections.abc import Sequence
from functools import cache
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
_PROGRAM = Path("nbextension") / "static" / "index.js"
"""Where Evidently's package has the program that it writes into every page."""
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
    text = _with_linked_program(snapshot.get_html_str(as_iframe=False), path.parent.parent)
    if not differences:
        return replace_text(path, text)
    lines = _BETWEEN.join(str(escape(harmless(words))) for words in differences)
    note = f"{_FIRST}{lines}{_LAST}"
    with_note = text.replace(_BODY, f"{_BODY}{note}", 1) if _BODY in text else f"{note}{text}"
    return replace_text(path, with_note)


def _with_linked_program(page: str, folder: Path) -> str:
    """Return a page that links to the program, a file of the folder; a page without the program as it is."""
    program = _program()
    script = f"<script>{program}</script>"
    if not program or script not in page:
        return page
    name = f"evidently-{hashlib.sha256(program.encode()).hexdigest()[:16]}.js"
    try:
        os.utime(folder / name)  # as new as the newest page that needs it: the retention policy goes by it
    except FileNotFoundError:
        replace_text(folder / name, program)
    return page.replace(script, f'<script charset="utf-8" src="../{name}"></script>', 1)


@cache
def _program() -> str:
    """Read Evidently's program; empty where this version of it keeps it elsewhere."""
    import evidently

    file = Path(evidently.__file__).parent / _PROGRAM
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def differences_in(page: Path) -> tuple[str, ...]:
    """Return the differences that a page shows; none of a page that is not there."""
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    _, found, rest = text.partition(_FIRST)
    lines, end, _ = rest.partition(_LAST)
    return tuple(unescape(words) for words in lines.split(_BETWEEN)) if found and end else ()
