"""The picture of a parity report: the worst features first, days added up."""

from datetime import date

import polars as pl
import pytest
from matplotlib import pyplot

from mlops_assets.core.parity import plot
from mlops_assets.core.parity.plot import SHOWN, parity_bars


def report(**different: int) -> pl.DataFrame:
    """Two days of ten values each per feature."""
    rows = [
        {"event_date": date(2026, 3, day), "feature": name, "compared": 10, "different": count}
        for name, count in different.items()
        for day in (1, 2)
    ]
    return pl.DataFrame(
        rows,
        schema={"event_date": pl.Date, "feature": pl.String, "compared": pl.Int64, "different": pl.Int64},
    )


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch):
    """What was drawn, as matplotlib has it."""
    drawn = []
    real = plot.to_png

    def keep(figure) -> bytes:
        drawn.append(figure.axes[0])
        return real(figure)

    monkeypatch.setattr(plot, "to_png", keep)
    yield drawn
    pyplot.close("all")


def test_the_worst_feature_stands_on_top_with_its_days_added_up(axes) -> None:
    png = parity_bars(report(fine=0, worst=3, bad=1))
    assert png.startswith(b"\x89PNG")
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert [name.split(" ")[0] for name in reversed(names)] == ["worst", "bad", "fine"]


def test_only_so_many_features_are_shown_and_no_rows_are_drawn_too(axes) -> None:
    parity_bars(report(**{f"feature_{number}": number for number in range(SHOWN + 5)}))
    assert len(axes[0].get_yticklabels()) == SHOWN
    assert parity_bars(report()).startswith(b"\x89PNG")
