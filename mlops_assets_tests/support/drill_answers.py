"""What a load was answered and what a store holds, by hand."""

from mlops_assets.commands.drill.load import LoadAnswer
from mlops_assets.core.serving.prediction_record import PredictionRecord


def answer(
    number: int,
    *,
    version: int = 1,
    status: int = 200,
    at: float = 0.0,
    tries: int = 1,
    message: str = "",
    seconds: float = 0.0,
) -> LoadAnswer:
    name = f"v{version}-{number}" if status == 200 else None
    return LoadAnswer(number, number, at, status, tries, version, name, message, seconds)


def record(number: int) -> PredictionRecord:
    return PredictionRecord(
        prediction_id=f"v1-{number}",
        event_id=number,
        request={},
        event_timestamp=0,
        known_at=0,
        received_at=0,
        version=1,
        role="champion",
        plan_sequence=1,
    )
