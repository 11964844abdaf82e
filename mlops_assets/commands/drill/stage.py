"""What a drill is, and the stage on which drills are played: a home, a served bento and a load."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import polars as pl
import psutil

from mlops_assets.commands.drill.home import ENTITIES, PRODUCT, DrillHome
from mlops_assets.commands.drill.load import DrillLoad, LoadAnswer
from mlops_assets.core.bento.server import ServedBento, served
from mlops_assets.core.parity.compare import ParityReport, compare
from mlops_assets.core.parity.replay import captured_events, replay_of
from mlops_assets.core.predictions.captured import LandingTable
from mlops_assets.core.release.plan import Order, ReleasePlan
from mlops_assets.core.release.steps import Strategy, decide_on, put_into_plan
from mlops_assets.core.serving.prediction_record import PredictionRecord

WORKERS = 2
UNDECIDED = "may have been recorded"
"""What a refusal says of a commit of which nobody knows how it ended."""
START_SECONDS = 120.0
MODEL_MEBIBYTES = 64
"""Memory for the models of a plan; those of the home's versions take a few."""
FOLLOWED_SECONDS = 30.0
"""Within which services must follow a plan on a busy machine."""


@dataclass(frozen=True)
class Seen:
    """What a drill saw, and whether that was as expected."""

    words: str
    is_expected: bool
    is_only_late: bool = False
    """Whether all was as expected but for a time limit, which other programs of the machine may have cost."""


@dataclass(frozen=True)
class Drill:
    """One failure or change, played on a stage."""

    name: str
    done: str
    expected: str
    play: "Callable[[Stage], Seen]"
    needs_small_disk: bool = False
    """Whether it mounts a filesystem of its own, which not every user may."""


@dataclass(frozen=True)
class DrillOutcome:
    """How a drill went."""

    name: str
    done: str
    expected: str
    seen: str
    passed: bool
    seconds: float
    is_inconclusive: bool = False
    """Whether it only was late, on a machine whose processors other programs used; then it has not passed either."""


@dataclass
class Stage:
    """A home that drills share, one after another, and the bento that serves it."""

    home: DrillHome
    events: Iterator[Mapping[str, object]] = field(init=False)
    """New events, across all loads."""
    _served: ServedBento | None = None

    def __post_init__(self) -> None:
        self.events = self.home.requests()

    @property
    def url(self) -> str:
        """Where the served bento answers.

        Raises: RuntimeError outside `serving`.
        """
        return self._serving.url

    @property
    def _serving(self) -> ServedBento:
        if self._served is None:
            raise RuntimeError("nothing is served on this stage")
        return self._served

    @contextmanager
    def serving(self, *, launcher: Sequence[str] = (), **environment: str) -> Iterator[None]:
        """Serve the home's bento, following its release plan, while the block runs.

        launcher: what comes before the server's command. environment: further variables of it.
        """
        before = self._served
        settings = self.home.settings
        own = {
            "MLOPS_TABLES_URI": settings.tables_uri,
            "MLFLOW_TRACKING_URI": settings.tracking_uri,
            "MLOPS_ONLINE_STORE": settings.online_store,
            "MLOPS_MODEL_MEMORY_MIB": str(MODEL_MEBIBYTES),
            **environment,
        }
        with served(
            self.home.bento,
            timeout_seconds=START_SECONDS,
            home=self.home.root,
            workers=WORKERS,
            environment=own,
            launcher=launcher,
        ) as server:
            self._served = server
            try:
                yield
            finally:
                self._served = before

    def load(self) -> DrillLoad:
        """A load on what is served."""
        return DrillLoad(self.url, self.events)

    def put(self, version: int, mode: Strategy, *, percent: int | None = None) -> ReleasePlan:
        """Put a version into the release plan."""
        control, order = self.home.control, order_of("drill")
        found = control.version(PRODUCT, version)
        return put_into_plan(control, found, mode=mode, order=order, approval="automatic", percent=percent)

    def settle(self, version: int) -> None:
        """Let one version answer everybody, and wait until every worker follows."""
        plan = self.put(version, "blue_green")
        self.wait_until_followed(plan.sequence)

    def allow_again(self, version: int) -> None:
        """Approve a version that a rollback rejected, so that later drills may release it."""
        order = order_of("drilled")
        decide_on(
            self.home.control,
            PRODUCT,
            version,
            "approved",
            by=order.by,
            reason=order.reason,
            at=order.since,
        )

    def wait_until_followed(self, sequence: int, *, seconds: float = FOLLOWED_SECONDS) -> bool:
        """Wait until many answers in a row name the plan: then every worker follows it."""
        deadline, in_a_row = time.monotonic() + seconds, 0
        while time.monotonic() < deadline and in_a_row < 10 * WORKERS:
            is_new = self.model()["plan_sequence"] == sequence
            in_a_row = in_a_row + 1 if is_new else 0
            time.sleep(0.02 if is_new else 0.1)
        return in_a_row >= 10 * WORKERS

    def model(self) -> dict[str, object]:
        """The answer of GET /model, over a connection of its own, so that any worker may give it."""
        return httpx.get(f"{self.url}/model", timeout=10.0).json()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels, as GET /metrics gives it."""
        lines = httpx.get(f"{self.url}/metrics", timeout=10.0).text.splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))
        )

    def problem(self, said: str, *, seconds: float) -> str:
        """Wait until GET /model says why the newest plan is not followed, in such words; empty when it never does."""
        is_told = self.wait_until(lambda: said in str(self.model()["problem"]), seconds=seconds)
        return str(self.model()["problem"]) if is_told else ""

    def wait_until(self, is_so: Callable[[], bool], *, seconds: float) -> bool:
        """Wait until something is so; False when it is not within `seconds`."""
        deadline = time.monotonic() + seconds
        while not (seen := is_so()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return seen

    def followers(self) -> list[psutil.Process]:
        """The processes that follow the release plan for what is served, whoever started them."""
        return self._serving.followers()

    def workers(self) -> list[psutil.Process]:
        """The processes that answer requests."""
        return self._serving.workers()


def order_of(reason: str) -> Order:
    """An order of the drill, now."""
    return Order(since=datetime.now(UTC), by="mlops drill", reason=reason)


def answered_since(load: DrillLoad, moment: float) -> int:
    """How many events got a score at or after a moment of the monotonic clock."""
    return sum(answer.is_answered for answer in load.since(moment))


def failed(answers: list[LoadAnswer]) -> list[LoadAnswer]:
    """The answers without a score."""
    return [answer for answer in answers if not answer.is_answered]


def by_version(answers: list[LoadAnswer]) -> str:
    """How many answers each version gave, in words."""
    counts = Counter(answer.version for answer in answers if answer.is_answered)
    return ", ".join(f"{count} by version {version}" for version, count in sorted(counts.items())) or "none"


def missing_and_repeated(answers: list[LoadAnswer], records: list[PredictionRecord]) -> tuple[int, int]:
    """Acknowledged predictions without a record, and predictions with two records whose event was sent once."""
    captured = Counter(record.prediction_id for record in records if record.error is None)
    acknowledged = {a.prediction_id: a.tries for a in answers if a.is_answered and a.prediction_id}
    missing = sum(name not in captured for name in acknowledged)
    repeated = sum(captured[name] > tries for name, tries in acknowledged.items())
    return missing, repeated


def parity_of(home: DrillHome, records: list[PredictionRecord]) -> ParityReport:
    """Compare every captured vector with the offline executor's: a state that is half done gives another one.

    Left out are entities that no history of the home has, such as an attacker's.
    """
    view = home.product.view
    known = [record for record in records if int(str(record.request["customer_id"])) < ENTITIES]
    first = {record.prediction_id: record for record in known if record.error is None}
    landing = LandingTable(
        PRODUCT, id_column=view.id_column, id_type=home.events.schema[view.id_column], has_time=True
    )
    captured = landing.frame(list(first.values()))
    events = captured_events(view, captured, dtypes=dict(home.events.schema))
    labels = home.labels.filter(pl.col("known_at") < home.as_of).select(view.label_columns)
    replay = replay_of(view, home.events, events, labels)
    models = {version: home.model_of(version) for version in captured["model_version"].unique()}
    return compare(captured, replay, models)
