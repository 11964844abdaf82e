"""Space beside a store that is given back when the disk is full, so that what is not needed can still be deleted.

Deleting needs space: it goes through the log, and a checkpoint may make the file longer. While the reserve is given
back, states and records are refused, since they would take it.
"""

import os
from contextlib import suppress

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import error_name

RESERVE_BYTES = 48 * 1024 * 1024
"""A log that begins anew in time has 32 MiB, by which the file may become longer; the rest is for STEP deletions."""
STEP = 200
"""States or records that are deleted in one commit on a full disk."""
_AMPLE = 8
"""So many times the reserve is free where one is made at first; it does not fill a disk by itself."""
_FULL = ("SQLITE_FULL", "SQLITE_IOERR")


class Reserve:
    """The reserve of one store."""

    def __init__(self, files: StoreFiles) -> None:
        """`files` are the store's."""
        self._files = files
        self._spent = str(files.spent)

    @property
    def is_spent(self) -> bool:
        """Whether it is given back and not made again yet."""
        return os.access(self._spent, os.F_OK)

    def refuse_while_spent(self) -> None:
        """Raise OnlineStoreError while the reserve is given back: what is written now would take it."""
        if self.is_spent:
            raise OnlineStoreError(
                f"online store {self._files.file}: its disk is full, and the space that is kept for deleting is in "
                "use; nothing was changed: free space on its disk; it goes on by itself then"
            )

    def spend(self) -> bool:
        """Give the space back; say whether there was any, now or before."""
        with suppress(OSError):
            self._files.reserve.rename(self._files.spent)
        with suppress(OSError):
            os.truncate(self._files.spent, 0)
        return self.is_spent

    def keep(self) -> None:
        """Make it where it is missing and there is space for it; whoever waits for that may write again then."""
        if self._files.reserve.exists():
            self._files.spent.unlink(missing_ok=True)
            return
        stand = os.statvfs(self._files.file.parent)
        times = 1 if self.is_spent else _AMPLE
        if stand.f_bavail * stand.f_frsize <= times * RESERVE_BYTES:
            return
        self._allocate()
        with suppress(FileNotFoundError):  # another process was quicker
            self._files.spent.rename(self._files.reserve)

    def _allocate(self) -> None:
        descriptor = os.open(self._files.spent, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            else:  # macOS
                os.pwrite(descriptor, bytes(RESERVE_BYTES), 0)
        except OSError:
            os.ftruncate(descriptor, 0)
            raise
        finally:
            os.close(descriptor)


def is_full(error: OnlineStoreError) -> bool:
    """Whether a store failed since its disk is full, as far as its library says."""
    cause = error.__cause__
    return isinstance(cause, Exception) and error_name(cause).startswith(_FULL)
