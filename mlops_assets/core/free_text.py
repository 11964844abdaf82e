"""What a person writes in their own words (who, why): checked where it is taken, and harmless where it is shown."""

import unicodedata

from mlops_assets.core.errors import ConfigurationError

MAXIMUM_LENGTH = 2_000
"""Characters; a reason is a sentence or two, and is shown forever."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories without a sign of their own: control, format, surrogates, private, unassigned, line breaks."""
_JOINERS = "\u200c\u200d"
"""Without them Persian words and many emoji fall apart."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def require_plain(text: str, *, what: str, maximum: int = MAXIMUM_LENGTH) -> str:
    """Return the text without blanks at its ends; `what` names it in the error.

    Raises: ConfigurationError when it is longer than `maximum` characters, or has a character that is not shown: a
    line break, an escape, a sign that turns the direction of writing, a byte that was no UTF-8.
    """
    plain = text.strip()
    if len(plain) > maximum:
        raise ConfigurationError(f"{what} has {len(plain):,} characters; it may have {maximum:,}")
    for place, character in enumerate(plain, start=1):
        if _is_hidden(character):
            raise ConfigurationError(
                f"{what} has a character that is not shown (U+{ord(character):04X}, at place {place}): write it in one "
                "line of plain text, in UTF-8"
            )
    return plain


def harmless(text: str) -> str:
    """Return text of before the check, or of a file, with each character that is not shown replaced by one that is."""
    if text.isprintable():  # has no character of these categories
        return text
    return "".join(_REPLACEMENT if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS
