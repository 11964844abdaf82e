"""The rows in single pages of SQLite's tables, found without the tree that leads to them.

See https://www.sqlite.org/fileformat.html, sections 1.6 (pages of a b-tree), 2.1 (records) and 4 (the log).
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 4096
FILE_HEADER_BYTES = 100
LOG_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
LEAF_OF_A_TABLE = 0x0D
_LOG_MAGIC = (0x377F0682, 0x377F0683)
_SIGNED = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Type of a whole number to the bytes that it takes."""
Cell = int | str | bytes | float | None


@dataclass(frozen=True)
class PageRow:
    """One row as a page has it."""

    number: int
    """SQLite's rowid."""
    values: tuple[Cell, ...]


def rows_of_pages(file: Path, log: Path | None) -> Iterator[PageRow]:
    """Yield the rows of every readable page of a table, oldest page first: those of the file, then those of the log.

    A row is yielded once for every page that has it, also for pages that were given up or overwritten since.

    file: the store's. log: None to leave it out.
    """
    pages = _Pages(file, log)
    for page, is_first in pages.all():
        yield from _rows(page, FILE_HEADER_BYTES if is_first else 0, pages.newest)


class _Pages:
    """The pages of a file and of its log."""

    def __init__(self, file: Path, log: Path | None) -> None:
        self._file = file.read_bytes() if file.exists() else b""
        self._log = log.read_bytes() if log is not None and log.exists() else b""
        self._frames = list(self._frames_of_this_log())
        self._newest = {number: start for number, start in self._frames}

    def _frames_of_this_log(self) -> Iterator[tuple[int, int]]:
        """Yield number of the page and place of its content; frames of before the log began anew are left out.

        Of a log whose head is damaged all are yielded.
        """
        size = FRAME_HEADER_BYTES + PAGE_BYTES
        head = self._log[:LOG_HEADER_BYTES].ljust(LOG_HEADER_BYTES, b"\0")
        salt = head[16:24] if struct.unpack_from(">I", head)[0] in _LOG_MAGIC else None
        for start in range(LOG_HEADER_BYTES, len(self._log) - size + 1, size):
            if salt is None or self._log[start + 8 : start + 16] == salt:
                (number,) = struct.unpack_from(">I", self._log, start)
                yield number, start + FRAME_HEADER_BYTES

    def all(self) -> Iterator[tuple[bytes, bool]]:
        """Yield content, and whether it is the first page, which begins with the file's head."""
        for start in range(0, len(self._file) - PAGE_BYTES + 1, PAGE_BYTES):
            yield self._file[start : start + PAGE_BYTES], start == 0
        for number, start in self._frames:
            yield self._log[start : start + PAGE_BYTES], number == 1

    def newest(self, number: int) -> bytes:
        """Return the page's content as it was written last; empty where there is none."""
        if (start := self._newest.get(number)) is not None:
            return self._log[start : start + PAGE_BYTES]
        return self._file[(number - 1) * PAGE_BYTES : number * PAGE_BYTES] if number > 0 else b""


def _rows(page: bytes, head: int, newest: Callable[[int], bytes]) -> Iterator[PageRow]:
    if page[head] != LEAF_OF_A_TABLE:
        return
    (count,) = struct.unpack_from(">H", page, head + 3)
    first = head + 8
    for place in range(first, min(first + 2 * count, PAGE_BYTES - 1), 2):
        (start,) = struct.unpack_from(">H", page, place)
        try:
            yield _row(page, start, newest)
        except (IndexError, ValueError, struct.error):
            continue  # what is left of a row that was overwritten


def _row(page: bytes, start: int, newest: Callable[[int], bytes]) -> PageRow:
    length, start = _varint(page, start)
    number, start = _varint(page, start)
    return PageRow(_signed(number), _values(_payload(page, start, length, newest)))


def _payload(page: bytes, start: int, length: int, newest: Callable[[int], bytes]) -> bytes:
    """Return a row's bytes, of which a long one has only the beginning in its page."""
    most = PAGE_BYTES - 35
    if length <= most:
        return _cut(page, start, length)
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    local = least + (length - least) % (PAGE_BYTES - 4)
    local = local if local <= most else least
    parts, missing = [_cut(page, start, local)], length - local
    (following,) = struct.unpack_from(">I", page, start + local)
    while missing > 0:
        overflow = newest(following)
        parts.append(_cut(overflow, 4, min(missing, PAGE_BYTES - 4)))
        missing -= len(parts[-1])
        (following,) = struct.unpack_from(">I", overflow)
    return b"".join(parts)


def _values(payload: bytes) -> tuple[Cell, ...]:
    head, place = _varint(payload, 0)
    types = []
    while place < head:
        kind, place = _varint(payload, place)
        types.append(kind)
    if place != head:
        raise ValueError("the head of a row ends inside a type")
    values: list[Cell] = []
    for kind in types:
        size = _size(kind)
        values.append(_value(kind, _cut(payload, place, size)))
        place += size
    if place != len(payload):
        raise ValueError("a row is longer than its values")
    return tuple(values)


def _size(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    return _SIGNED.get(kind, 8 if kind == 7 else 0)


def _value(kind: int, content: bytes) -> Cell:
    if kind >= 12:
        return content.decode() if kind % 2 else content
    if kind == 7:
        return struct.unpack(">d", content)[0]
    if kind in (8, 9):
        return kind - 8
    if kind in (10, 11):
        raise ValueError("a type that SQLite does not write")
    return int.from_bytes(content, "big", signed=True) if kind else None


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return the number at `place` and the place after it."""
    number = 0
    for index in range(8):
        byte = content[place + index]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + index + 1
    return number << 8 | content[place + 8], place + 9


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _cut(content: bytes, start: int, length: int) -> bytes:
    if start + length > len(content):
        raise ValueError("a row ends outside its page")
    return content[start : start + length]
