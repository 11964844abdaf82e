"""Lets in who has an API key, where a file of keys is configured."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.serving.api_keys import ApiKeys
from serving.http.exposure import exposed_addresses
from serving.http_errors import RefusedRequestError

LOOK_SECONDS = 1.0
"""Between two looks at the file: a new key opens, and a revoked one is refused, within this time."""
OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready"})
"""Without a key: what an orchestrator asks, which has no place for one. They say yes or no, and nothing else."""
PAGE_PATH = "/"
"""Who brings no key gets a page that asks for one there; a key that is brought must open."""
_BEARER = b"bearer "
_MISSING = "an API key is needed: send it as `Authorization: Bearer KEY`"
_UNKNOWN = "the API key is not known, or was revoked"
_UNREADABLE = "the service cannot read who may ask it; its log says why"
_log = logging.getLogger(__name__)


class KeyDoor:
    """Asks every request for a key of the file, but those for `OPEN_PATHS`; belongs to one event loop.

    A file that is gone or damaged lets nobody in. No key is logged or shown.
    """

    def __init__(self, file: Path, *, clock: Callable[[], float]) -> None:
        """Read the file. `clock` gives seconds, and never goes back.

        Raises: ConfigurationError when the file cannot be read.
        """
        self._file = file
        self._clock = clock
        self._seen = _state(file)
        self._keys: ApiKeys | None = ApiKeys.read(file)
        self._looked_at = clock()

    def __call__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        """Return when the request may be answered.

        Raises: RefusedRequestError with 401 without a key that opens, with 503 when nobody can be let in.
        """
        if path in OPEN_PATHS:
            return
        given = keys_given(headers)
        if path == PAGE_PATH and not given:
            return
        if not self.is_readable():
            raise RefusedRequestError(503, _UNREADABLE)
        if len(given) != 1 or given[0][: len(_BEARER)].lower() != _BEARER:
            raise RefusedRequestError(401, _MISSING)
        key = given[0][len(_BEARER) :].strip().decode("latin-1")
        if self._keys is None or self._keys.holder(key) is None:
            raise RefusedRequestError(401, _UNKNOWN)

    def is_readable(self) -> bool:
        """Whether the keys are known; looks at the file, once a second at most."""
        if (now := self._clock()) - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._keys is not None

    def _look(self) -> None:
        state = _state(self._file)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys = ApiKeys.read(self._file)
            _log.info("the API keys were read again")
        except ConfigurationError as error:
            self._keys = None
            _log.error("nobody is let in: %s", error)


def keys_given(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Return what a request brings to be let in."""
    return [value for name, value in headers if name == b"authorization"]


def key_door(file: Path | None) -> KeyDoor | None:
    """Return the door of a configured file of keys; without one None, and a warning when other machines get in.

    Raises: ConfigurationError when the file cannot be read.
    """
    if file is not None:
        return KeyDoor(file, clock=monotonic)
    if addresses := exposed_addresses():
        _log.warning(
            "THIS SERVICE ASKS FOR NO API KEY and takes requests from other machines, at %s: whoever reaches it gets "
            "predictions and changes the state of entities. Set MLOPS_API_KEYS (`mlops keys create NAME`), or serve on "
            "127.0.0.1.",
            ", ".join(addresses),
        )
    return None


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
