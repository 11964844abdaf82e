"""Which plans worked on this host, and which are refused here: `seen_plans.json` beside the snapshot.

The follower writes it; a worker that cannot load the newest plan takes the last one that worked from it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_assets.core.errors import PlatformError, ServingError
from mlops_assets.core.files import read_limited, replace_text
from mlops_assets.core.formats import other_format
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.serving.host.snapshot import ServingSnapshot

SEEN_FILE = "seen_plans.json"
FORMAT_VERSION = 1
KEPT_GOOD = 3
"""So many plans that worked are kept; their models stay on disk."""
KEPT_REFUSED = 20


@dataclass(frozen=True)
class Refusal:
    """A plan that killed workers of this host, and how."""

    plan: ReleasePlan
    reason: str


@dataclass(frozen=True)
class SeenPlans:
    """What this host has seen of plans."""

    good: tuple[ServingSnapshot, ...] = ()
    """In which a worker was seen to work, the last one at the end."""
    refused: tuple[Refusal, ...] = ()
    """Followed no more on this host, the last one at the end."""
    troubled: int | None = None
    """Sequence of the newest plan while workers died that loaded it."""
    deaths: int = 0
    """How many died under it, before it ever worked."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Name to version of what scores depend on, under which all this was seen."""

    def is_good(self, plan: ReleasePlan) -> bool:
        """Tell whether the plan was seen to work here."""
        return any(snapshot.plan == plan for snapshot in self.good)

    def refusal(self, plan: ReleasePlan) -> Refusal | None:
        """Return why the plan is refused here; None when it is not."""
        return next((refusal for refusal in self.refused if refusal.plan == plan), None)

    def last_good(self) -> ServingSnapshot | None:
        """Return the last plan that worked, with its versions; None where there is none."""
        return self.good[-1] if self.good else None

    def with_good(self, snapshot: ServingSnapshot) -> "SeenPlans":
        """Return this, with a plan that was just seen to work."""
        others = tuple(one for one in self.good if one.plan != snapshot.plan)
        return replace(self, good=(*others, snapshot)[-KEPT_GOOD:], troubled=None, deaths=0)

    def with_refused(self, plan: ReleasePlan, reason: str) -> "SeenPlans":
        """Return this, with a plan that is followed no more, even if it worked before."""
        others = tuple(one for one in self.refused if one.plan != plan)
        refused = (*others, Refusal(plan, reason))[-KEPT_REFUSED:]
        good = tuple(one for one in self.good if one.plan != plan)
        return replace(self, good=good, refused=refused, troubled=None, deaths=0)

    def with_deaths(self, plan: ReleasePlan, count: int) -> "SeenPlans":
        """Return this, with so many more workers that died while they loaded the plan."""
        before = self.deaths if self.troubled == plan.sequence else 0
        return replace(self, troubled=plan.sequence, deaths=before + count)

    def write(self, file: Path) -> None:
        """Replace the file in one step that survives a power cut."""
        content = {
            "format_version": FORMAT_VERSION,
            "good": [snapshot.to_document() for snapshot in self.good],
            "refused": [{"plan": one.plan.to_json(), "reason": one.reason} for one in self.refused],
            "troubled": self.troubled,
            "deaths": self.deaths,
            "libraries": dict(self.libraries),
        }
        replace_text(file, json.dumps(content, sort_keys=True) + "\n", is_durable=True)

    @classmethod
    def read(cls, file: Path) -> "SeenPlans":
        """Read what `write` wrote; without a file nothing was seen yet.

        Raises: ServingError when it is damaged or of another format.
        """
        try:
            content = json.loads(read_limited(file))
            if (found := content["format_version"]) != FORMAT_VERSION:
                remedy = "bring this host's services and their follower to one version of mlops-assets"
                raise ServingError(other_format(str(file), found, readable=FORMAT_VERSION, remedy=remedy))
            return cls(
                good=tuple(ServingSnapshot.from_document(one, file.parent) for one in content["good"]),
                refused=tuple(
                    Refusal(ReleasePlan.from_json(one["plan"]), str(one["reason"]))
                    for one in content["refused"]
                ),
                troubled=content["troubled"],
                deaths=int(content["deaths"]),
                libraries=dict(content["libraries"]),
            )
        except FileNotFoundError:
            return cls()
        except ServingError:
            raise
        except (OSError, ValueError, TypeError, KeyError, PlatformError) as error:
            raise ServingError(
                f"{file} cannot be read as the plans that this host has seen: {error!r}"
            ) from error


def seen_file(serving_home: Path, product: str) -> Path:
    """Return where it lies what the host has seen of the product's plans."""
    return serving_home / product / SEEN_FILE
