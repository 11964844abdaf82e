"""The product's own endpoints: predict, explain, and what is released."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec
import polars as pl

from mlops_assets.core.errors import ServingError
from mlops_assets.core.free_text import harmless
from mlops_assets.core.model.explanation import BIAS, top_contributions
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.host.follower_status import FollowerStatus
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from serving.events.types import EventTypes
from serving.http.app import Endpoint, HttpAnswer, HttpRequest, require_json
from serving.http.responses import (
    Contribution,
    Explanation,
    Prediction,
    Release,
    ServedArm,
    ServedFeatureAnswer,
)
from serving.http_errors import Problem, RefusedRequestError, refused, without_places
from serving.limits import MAXIMUM_EXPLANATIONS, MAXIMUM_SEARCH_SECONDS
from serving.live_release import LiveRelease
from serving.scoring_lane import ScoringLane
from serving.served_product import ServedProduct
from serving.turns import at_once

PAGE = 1000
"""Captured records that are searched at once."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class StoreFacts:
    """What /model says about the store."""

    kind: str
    capture_policy: str
    access: str


class _CapturedPrediction(msgspec.Struct, forbid_unknown_fields=True):
    prediction_id: str


class ProductEndpoints:
    """Answers requests for one product; belongs to one event loop."""

    def __init__(
        self,
        product: ServedProduct,
        manifest: BentoManifest,
        *,
        types: EventTypes,
        lane: ScoringLane,
        live: LiveRelease,
        facts: StoreFacts,
        follower: Callable[[], FollowerStatus | None],
        open_store: Callable[[], OnlineStore],
    ) -> None:
        self._product = product
        self._manifest = manifest
        self._types = types
        self._lane = lane
        self._live = live
        self._facts = facts
        self._follower = follower
        self._open_store = open_store
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._beside_waiting = 0

    def routes(self) -> Mapping[str, Endpoint]:
        """Return the endpoints by path."""
        return {
            "/predict": Endpoint("/predict", {"POST": self.predict}),
            "/explain": Endpoint("/explain", {"POST": self.explain}),
            "/model": Endpoint("/model", {"GET": self.model}),
        }

    async def predict(self, request: HttpRequest) -> HttpAnswer:
        """Score one event, or a list of them; each is captured before the answer is sent."""
        require_json(request)
        events, is_many = self._types.read(request.body, received_at=request.received_at)
        try:
            scored = await self._lane.score(events, received_at=request.received_at, started=request.started)
        except ServingError as error:
            raise refused(error) from error
        answers = [Prediction.of(one.record) for one in scored]
        return HttpAnswer(answers if is_many else answers[0])

    async def explain(self, request: HttpRequest) -> HttpAnswer:
        """Tell what each feature adds to an event's score, or to a captured prediction's; captures nothing."""
        require_json(request)
        asked = _prediction_id(request.body)
        if asked is not None:
            record = await self._beside(self._captured, asked)
            return HttpAnswer(await self._beside(self._explain_record, record))
        events, is_many = self._types.read(request.body, received_at=request.received_at)
        if is_many:
            raise RefusedRequestError(422, 'explain takes one event, or {"prediction_id": ...}')
        scoring = self._lane.scoring
        try:
            steps = scoring.feature_steps(events[0], received_at=request.received_at)
            arm, vector = await at_once(steps)
        except ServingError as error:
            raise refused(error) from error
        explain = partial(
            _explanation,
            arm.model,
            vector,
            version=arm.version,
            role=arm.role,
            score=arm.score(vector),
            threshold=arm.threshold,
        )
        return HttpAnswer(await self._beside(explain))

    async def model(self, _: HttpRequest) -> HttpAnswer:
        """Tell what is released, since when, by whom and why."""
        arms = self._lane.scoring.arms
        plan, view = arms.plan, self._product.view
        percent = {arm.version: arm.percent for arm in plan.arms} if plan else {arms.champion.version: 100}
        follower = self._follower()
        problem = self._live.problem
        if problem is None and follower is not None:
            problem = follower.last_error or follower.stalled
        return HttpAnswer(
            Release(
                product=self._product.name,
                title=self._product.declaration.title,
                label=self._product.declaration.label_description,
                mode=plan.mode if plan else "bento",
                plan_sequence=arms.sequence,
                since=plan.since if plan else None,
                by=harmless(plan.by) if plan else None,
                reason=harmless(plan.reason) if plan else None,
                evidence=dict(plan.evidence) if plan else {},
                arms=[
                    ServedArm(
                        version=arm.version,
                        role=arm.role,
                        percent=percent[arm.version],
                        digest=arm.model.digest,
                        threshold=arm.threshold,
                        features=list(arm.model.feature_names),
                        view_digest=arm.view_digest,
                    )
                    for arm in arms.arms
                ],
                features=[
                    ServedFeatureAnswer(doc.name, doc.description, doc.unit, doc.null_means)
                    for doc in map(arms.describe, arms.names)
                ],
                view_digest=view.digest,
                libraries=dict(self._manifest.libraries),
                online_store=self._facts.kind,
                capture_policy=self._facts.capture_policy,
                access=self._facts.access,
                follower={} if follower is None else _shown(follower),
                problem=problem and without_places(problem),
            )
        )

    async def _beside(self, work: Callable[..., _Result], *given: object) -> _Result:
        """Do what takes longer than a moment in the thread for it, if few enough wait for that."""
        if self._beside_waiting >= MAXIMUM_EXPLANATIONS:
            raise RefusedRequestError(503, "too many explanations wait for their turn: send it again later")
        self._beside_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._slow, work, *given)
        finally:
            self._beside_waiting -= 1

    def close(self) -> None:
        """End the thread."""
        self._slow.shutdown(wait=False)

    def _captured(self, prediction_id: str) -> PredictionRecord:
        """Find a captured record, of a request that failed and was sent again the one that has a score; runs in a
        thread, on a store of its own.
        """
        store = self._open_store()
        wanted = msgspec.json.encode(prediction_id)[1:-1]
        given_up = time.monotonic() + MAXIMUM_SEARCH_SECONDS
        after, failed = "", None
        try:
            while page := store.captured(after=after, limit=PAGE):
                for captured in page:
                    if wanted in captured.content:
                        record = decode_record(captured.content)
                        if record.prediction_id == prediction_id:
                            if record.error is None:
                                return record
                            failed = record
                after = page[-1].position
                if time.monotonic() >= given_up:
                    raise RefusedRequestError(
                        503,
                        f"too much waits in the online store to look through within {MAXIMUM_SEARCH_SECONDS:.0f} s: "
                        f"collect it into {self._product.name}/served_predictions",
                    )
        finally:
            store.close()
        if failed is not None:
            return failed
        raise RefusedRequestError(
            404,
            f"no prediction {prediction_id[:100]} waits in the online store: once collected it is in the table "
            f"{self._product.name}/served_predictions",
            [Problem("is not among the captured predictions", field="prediction_id")],
        )

    def _explain_record(self, record: PredictionRecord) -> Explanation:
        model = next(
            (arm.model for arm in self._lane.scoring.arms.arms if arm.version == record.version), None
        )
        if model is None or record.score is None or record.threshold is None:
            reason = "gave no score" if model is not None else "is no longer served here"
            raise RefusedRequestError(
                404,
                f"prediction {record.prediction_id} cannot be explained: version {record.version} {reason}",
                [Problem("cannot be explained", field="prediction_id")],
            )
        return _explanation(
            model,
            record.features,
            version=record.version,
            role=record.role,
            score=record.score,
            threshold=record.threshold,
            prediction_id=record.prediction_id,
        )


def _shown(follower: FollowerStatus) -> dict[str, Any]:
    error = follower.last_error
    return msgspec.to_builtins(replace(follower, last_error=error and without_places(error)))


def _prediction_id(body: bytes) -> str | None:
    """Return the id of a request that asks for a captured prediction, None for any other."""
    try:
        return msgspec.json.decode(body, type=_CapturedPrediction).prediction_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _explanation(model: TrainedModel, vector: tuple[float | None, ...], **answer: Any) -> Explanation:
    schema = dict.fromkeys(model.feature_names, pl.Float64)
    features = pl.DataFrame([vector], schema=schema, orient="row")
    contributions = model.contributions(features)
    rows = top_contributions(contributions, features, row=0, count=len(vector))
    return Explanation(
        bias=contributions[BIAS][0],
        contributions=[Contribution(*row) for row in rows.iter_rows()],
        **answer,
    )
