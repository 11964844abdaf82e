"""The files beside an embedded store: its log, its owner, what is damaged, and what it was restored from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.files import replace_file


class Damage(msgspec.Struct, frozen=True):
    """What is wrong with a store, which nobody uses from then on."""

    inode: int
    """Of the file that is damaged; another one that has its name by now is not."""
    found: str
    at: str
    """UTC time in ISO 8601."""


class Restoration(msgspec.Struct, frozen=True):
    """Which file took the place of which others."""

    inode: int
    replaces: list[int]
    """Inodes of the damaged ones; who used one of them goes on with the new file."""


@dataclass(frozen=True)
class StoreFiles:
    """A store's file, and the names of those beside it."""

    file: Path

    @property
    def log(self) -> Path:
        """SQLite's log, with the commits that no checkpoint brought into the file yet."""
        return self.beside("-wal")

    @property
    def index(self) -> Path:
        """SQLite's index of the log, which the processes share as memory."""
        return self.beside("-shm")

    @property
    def owner(self) -> Path:
        """Locked by the one process that writes checkpoints; holds its id."""
        return self.beside("-owner")

    @property
    def seen(self) -> Path:
        """How far the store had come at the last look of its owner."""
        return self.beside("-seen")

    @property
    def damaged(self) -> Path:
        """There while the store is damaged: everybody refuses."""
        return self.beside("-damaged")

    @property
    def restored(self) -> Path:
        """Which damaged files this one was made from."""
        return self.beside("-restored")

    @property
    def reserve(self) -> Path:
        """Space that is given back when the disk is full."""
        return self.beside("-reserve")

    @property
    def spent(self) -> Path:
        """The reserve while it is given back; nothing is written then."""
        return self.beside("-spent")

    def beside(self, ending: str) -> Path:
        """Return the file of the store's name and `ending`."""
        return self.file.with_name(self.file.name + ending)

    def inode(self) -> int | None:
        """Return the file's number on its disk; None when there is no file."""
        try:
            return self.file.stat().st_ino
        except FileNotFoundError:
            return None

    def damage(self) -> Damage | None:
        """Return what is wrong with the file that is there now; None when nothing was found.

        A note that cannot be read counts as damage.
        """
        try:
            noted = msgspec.json.decode(self.damaged.read_bytes(), type=Damage)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            return Damage(self.inode() or 0, f"{self.damaged.name} cannot be read", "")
        return noted if noted.inode == self.inode() else None

    def mark_damaged(self, found: str, *, inode: int | None = None) -> Damage:
        """Let every process refuse the store from now on; a first finding stays.

        found: what is wrong. inode: of the file that is; by default that of the one that is there now.

        Raises: OSError when the note cannot be written, as on a full disk.
        """
        if (noted := self.damage()) is not None:
            return noted
        damage = Damage(inode or self.inode() or 0, found, datetime.now(UTC).isoformat(timespec="seconds"))
        replace_file(
            self.damaged, lambda partial: partial.write_bytes(msgspec.json.encode(damage)), is_durable=True
        )
        return damage

    def restoration(self) -> Restoration | None:
        """Return what the file was restored from; None when it never was."""
        try:
            return msgspec.json.decode(self.restored.read_bytes(), type=Restoration)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def replaced(self, inode: int) -> bool:
        """Whether the file that is there now was restored from the file `inode`."""
        noted = self.restoration()
        return noted is not None and noted.inode == self.inode() and inode in noted.replaces

    def refuse_damaged(self) -> None:
        """Raise OnlineStoreError when the store is damaged, with what to do."""
        if (damage := self.damage()) is not None:
            raise OnlineStoreError(
                f"online store {self.file} is damaged ({damage.found}), and nothing was changed: run `mlops store "
                f"restore {self.file.stem}`; services go on by themselves then"
            )
