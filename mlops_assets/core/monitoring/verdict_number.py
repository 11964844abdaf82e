"""Numbers of our own verdicts as metrics of Evidently, so that its page shows what was decided on."""

from evidently import Dataset
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context


class VerdictNumber(SingleValueMetric):
    """A number that was computed before; Evidently shows it under its title, with the tests that it is given."""

    title: str
    number: float


class VerdictNumberCalculation(SingleValueCalculation[VerdictNumber]):
    """How Evidently gets the number: by asking the metric."""

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue:
        """Return the number."""
        return self.result(self.metric.number)

    def display_name(self) -> str:
        """Return the title."""
        return self.metric.title
