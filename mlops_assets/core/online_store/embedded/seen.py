"""How far a store had come when its owner last looked: what it must still hold after any process died."""

from pathlib import Path

import apsw
import msgspec

from mlops_assets.core.files import replace_file
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import value

_BOOT = Path("/proc/sys/kernel/random/boot_id")
NEWEST = "SELECT coalesce(max(position), 0) FROM captured"
"""The position of the newest record; that of a forgotten one stays, so that it never goes back."""


class Seen(msgspec.Struct, frozen=True):
    """The newest record of a store at some time."""

    boot: str
    """Of the machine: a commit need not outlive a power loss."""
    inode: int
    identity: str
    position: int


class Watermark:
    """Notes the newest record of a store beside it, whenever there is a newer one."""

    def __init__(self, files: StoreFiles) -> None:
        self._files = files
        self._noted: Seen | None = None

    def note(self, connection: apsw.Connection) -> None:
        """Note it now.

        Raises: apsw.Error; OSError, also on a full disk.
        """
        if (seen := look(self._files, connection)) is None or seen == self._noted:
            return
        content = msgspec.json.encode(seen)
        replace_file(self._files.seen, lambda partial: partial.write_bytes(content))
        self._noted = seen


def look(files: StoreFiles, connection: apsw.Connection) -> Seen | None:
    """Return how far the store has come; None on a machine that does not name its boots, as macOS."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    identity, position = value(connection, "SELECT identity FROM store"), value(connection, NEWEST)
    return Seen(boot, files.inode() or 0, identity, position)


def noted(files: StoreFiles) -> Seen | None:
    """Return what was noted last; None when nothing was, or nothing that can be read."""
    try:
        return msgspec.json.decode(files.seen.read_bytes(), type=Seen)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def missing(files: StoreFiles, connection: apsw.Connection) -> str | None:
    """Say what the store held once and does not any more; None when nothing is missing.

    A file of another number, of another identity, or from before the machine was started last is not compared.
    """
    before = noted(files)  # first: what is committed meanwhile is then no loss
    now = look(files, connection)
    if before is None or now is None or now.position >= before.position:
        return None
    if (now.boot, now.inode, now.identity) != (before.boot, before.inode, before.identity):
        return None
    return (
        f"records {now.position + 1} to {before.position} were acknowledged and are missing: its log was lost, or an "
        "older copy was put into the file"
    )
