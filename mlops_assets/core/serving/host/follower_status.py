"""What the follower of a host last found, as one small file that services show: `follower.json` beside the snapshot."""

import errno
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mlops_assets.core.errors import ServingError
from mlops_assets.core.files import read_limited, replace_text
from mlops_assets.core.formats import other_format

STATUS_FILE = "follower.json"
FORMAT_VERSION = 2
_READABLE = (1, 2)
"""Format 1 has no `stalled`."""


@dataclass(frozen=True)
class FollowerStatus:
    """How following goes."""

    plan_sequence: int | None = None
    """Sequence number of the plan in the snapshot; None before the first."""
    last_success_at: datetime | None = None
    """When the plan that stands was last seen to be the snapshot's; how old the last good plan may be."""
    last_error: str | None = None
    """Why the plan that stands is not the snapshot's, or is not known; None when all is well."""

    stalled: str | None = None
    """What the follower has been waiting for longer than usual, while it still looks at the record."""

    def write(self, file: Path) -> None:
        """Replace the file; it need not survive a power cut, so nothing waits for the disk.

        On a full disk a file that is there is written over: its own block has room, so that services are told.
        """
        content = {
            "format_version": FORMAT_VERSION,
            **asdict(self),
            "last_success_at": self.last_success_at and self.last_success_at.isoformat(),
        }
        text = json.dumps(content, sort_keys=True)
        try:
            replace_text(file, text + "\n")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            with file.open("r+b", buffering=0) as opened:
                opened.write(
                    text.encode().ljust(file.stat().st_size - 1) + b"\n"
                )  # no end of the one before is left

    @classmethod
    def read(cls, file: Path) -> "FollowerStatus":
        """Read what `write` wrote; a missing file is the status of before the first look.

        A file without a version is of format 1. Raises: ServingError when it is damaged or of another format.
        """
        try:
            content = json.loads(read_limited(file))
            if (found := content.pop("format_version", 1)) not in _READABLE:
                remedy = "bring this host's services and their follower to one version of mlops-assets"
                raise ServingError(other_format(str(file), found, readable=FORMAT_VERSION, remedy=remedy))
            at = content.pop("last_success_at")
            return cls(**content, last_success_at=datetime.fromisoformat(at) if at else None)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ServingError(f"{file} cannot be read as a follower's status: {error!r}") from error


def status_file(serving_home: Path, product: str) -> Path:
    """Return where the status of the product's follower lies."""
    return serving_home / product / STATUS_FILE
