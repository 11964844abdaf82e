"""The declaration: what contradicts itself is refused, and everything else has a value."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from mlops_assets.core.product_spec import Gate, ProductSpec, Release, SearchRange, StratifiedSplit
from mlops_assets_tests.support.product_specs import COHORT, FRAUD


def changed(spec: ProductSpec, **sections: Any) -> ProductSpec:
    return ProductSpec.model_validate({**spec.model_dump(mode="json"), **sections})


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (1.0, 0.0, 0.0), (0.1, 0.2, 0.7)])
def test_shares_of_a_split_sum_to_one(shares: tuple[float, float, float]) -> None:
    names = ("train_share", "validation_share", "test_share")
    assert StratifiedSplit(**dict(zip(names, shares, strict=True)))
    with pytest.raises(ValidationError, match="must sum to 1"):
        StratifiedSplit(
            **dict(zip(names, (shares[0] + 0.01, *shares[1:]), strict=True))
            | {"train_share": shares[0] - 0.01}
        )


@pytest.mark.parametrize("given", [{}, {"low": 1}, {"high": 1}, {"low": 1, "high": 2, "choices": [1]}])
def test_a_search_range_is_a_range_or_choices(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either low and high, or choices"):
        SearchRange(**given)
    assert SearchRange(low=1, high=2)
    assert SearchRange(choices=(1, 2))


@pytest.mark.parametrize(
    "given",
    [
        {"metric": "auc"},
        {"metric": "auc", "against": "champion", "minimum": 0.5},
        {"metric": "selection_rate_gap", "against": "champion"},
        {"metric": "selection_rate_gap", "maximum": 0.1, "slices": True},
    ],
)
def test_a_gate_has_a_limit_or_somebody_to_beat(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Gate(name="gate", **given)


@pytest.mark.parametrize("ramp", [(), (5, 1, 100), (1, 5), (5, 5, 100), (0, 100), (100, 101)])
def test_a_ramp_rises_to_everybody(ramp: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        Release(ramp=ramp)
    assert Release(ramp=(100,)).ramp == (100,)


def test_a_key_that_is_not_known_is_refused_and_a_declaration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        changed(FRAUD, monitorings={})
    with pytest.raises(ValidationError, match="frozen"):
        FRAUD.name = "other"


def test_a_declaration_reads_back_equal() -> None:
    for spec in (FRAUD, COHORT):
        assert ProductSpec.model_validate(spec.model_dump(mode="json")) == spec
        assert ProductSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_split_in_time_leaves_room_for_the_label_delay() -> None:
    assert FRAUD.label.delay_days == 7
    with pytest.raises(ValidationError, match="gap_days"):
        changed(FRAUD, split={"kind": "time", "gap_days": 6})
    assert timedelta(days=changed(FRAUD, split={"kind": "time", "gap_days": 8}).split.gap_days) == timedelta(
        days=8
    )  # pyright: ignore


@pytest.mark.parametrize(
    "sections",
    [
        {"split": {"kind": "stratified"}},
        {"gates": [{"name": "a", "metric": "auc", "minimum": 0.5}] * 2},
        {"monitoring": {"alarms": 4, "of_windows": 3}},
    ],
)
def test_sections_that_do_not_go_together_are_refused(sections: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        changed(FRAUD, **sections)
