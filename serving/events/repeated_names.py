"""Finds names that come twice in one JSON object: of such an object every reader takes another value."""

import json

from serving.http_errors import Problem, RefusedRequestError

_END_OF_NAME = b'":'
_SPACE = b" \t\r\n"


class _RepeatedNameError(ValueError):
    pass


def require_distinct_names(content: bytes, *, names: int | None = None) -> None:
    """Refuse a JSON text in which an object has a name twice.

    `names` is how many different ones its objects had when they were read, as they all were read: a text that has no
    more, which can be counted in no time, repeats none.

    Raises: RefusedRequestError with 400.
    """
    # Without an escape no text holds a quote, so that a quote before a colon ends a name: all are counted then.
    if (
        names is not None
        and b"\\" not in content
        and content.translate(None, _SPACE).count(_END_OF_NAME) == names
    ):
        return
    try:
        json.loads(content, object_pairs_hook=_distinct)
    except _RepeatedNameError as error:
        name = str(error)
        raise RefusedRequestError(
            400,
            f"the name {name[:100]!r} comes twice in one object",
            [Problem("comes twice", field=name[:100])],
        ) from error
    except (ValueError, RecursionError) as error:
        raise RefusedRequestError(400, f"the body is no JSON that can be read: {error}") from error


def _distinct(pairs: list[tuple[str, object]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise _RepeatedNameError(name)
        seen.add(name)
