"""Text of a person or a file, ready for a table or a line of the terminal."""

from rich.markup import escape

from mlops_assets.core.free_text import harmless

NOTHING = "[none][/none]"
"""Markup that shows nothing. After backslashes it makes rich read all of them as escaped."""


def plain(text: str) -> str:
    """Return the text as rich prints it letter by letter, line by line: no markup counts, no character is hidden.

    The result may stand anywhere in markup, before a tag too.
    """
    return "\n".join(_escaped(harmless(line)) for line in text.split("\n"))


def _escaped(line: str) -> str:
    # `escape` doubles a backslash at the end only if it is alone, and what rich shows then depends on what follows.
    before = line.rstrip("\\")
    backslashes = line[len(before) :]
    return escape(before) + (backslashes * 2 + NOTHING if backslashes else "")
