"""How a file is put in the place of another in one step, so that a reader sees the old one or the new one whole."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Of a JSON document that the platform stores as a file of its own; the largest have some kilobytes."""
OTHERS = 0o077
"""Bits of a mode that let the group and everybody in."""
PRIVATE = 0o600
"""Mode of a file that only its owner reads."""


def keep_to_owner() -> None:
    """Let this process, and those that it starts, make folders of mode 0700 and files of mode 0600 from now on.

    Rows, models, captured requests and databases of users lie in a home: only its owner reads them.
    """
    os.umask(OTHERS)


def replace_file(
    file: Path, write: Callable[[Path], object], *, is_durable: bool = False, is_private: bool = False
) -> Path:
    """Let `write` fill a file beside `file`, then put it in `file`'s place; return `file`.

    A killed process leaves `file` as it was, and perhaps a hidden file of its process id beside it. With `is_durable`
    the new content also survives a power cut that follows; without, nothing waits for the disk. With `is_private` only
    the file's owner may read it, from its first byte on.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        if is_private:
            partial.touch(mode=PRIVATE)
            partial.chmod(PRIVATE)  # where one was left there
        write(partial)
        if is_durable:
            sync(partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    if is_durable:
        sync(file.parent)
    return file


def replace_text(file: Path, text: str, *, is_durable: bool = False, is_private: bool = False) -> Path:
    """Put `text` as UTF-8 in the place of `file`'s content; see `replace_file`."""
    return replace_file(
        file,
        lambda partial: partial.write_text(text, encoding="utf-8", newline="\n"),
        is_durable=is_durable,
        is_private=is_private,
    )


def read_limited(file: Path, limit: int = LARGEST_DOCUMENT_BYTES) -> bytes:
    """Return the file's content; its size is looked at before anything is read.

    Raises: OSError, also for a file of more than `limit` bytes.
    """
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        require_size(file, size, limit)
        return opened.read(size)  # what somebody adds meanwhile is not read


def require_size(file: Path, size: int, limit: int) -> None:
    """Refuse a file of more than `limit` bytes.

    Raises: OSError, with what the file has and what it may have.
    """
    if size > limit:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, and at most {limit:,} are read", str(file))


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
