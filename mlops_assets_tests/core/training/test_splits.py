from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product_spec import StratifiedSplit, TimeSplit
from mlops_assets.core.training.splits import assign_stratified_split, assign_time_split, split_windows

AS_OF = datetime(2020, 1, 20, tzinfo=UTC)
SPLIT = TimeSplit(train_days=5, validation_days=2, test_days=2, gap_days=1)


def hourly_events() -> pl.DataFrame:
    times = pl.datetime_range(
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 25, tzinfo=UTC), "1h", time_unit="us", eager=True
    )
    return (
        pl.DataFrame({"event_timestamp": times})
        .with_row_index("event_id")
        .with_columns(is_event=(pl.col("event_id") % 3 == 0).cast(pl.Int8))
    )


@given(
    train=st.integers(1, 90), validation=st.integers(1, 30), test=st.integers(1, 30), gap=st.integers(0, 30)
)
def test_windows_are_ordered_as_long_as_declared_and_apart_by_the_gap(train, validation, test, gap):
    split = TimeSplit(train_days=train, validation_days=validation, test_days=test, gap_days=gap)
    windows = split_windows(as_of=AS_OF, split=split)
    assert list(windows) == ["train", "validation", "test"]
    assert [(end - start).days for start, end in windows.values()] == [train, validation, test]
    starts_of_next = [windows["validation"][0], windows["test"][0], AS_OF]
    ends = [end for _, end in windows.values()]
    assert [b - a for a, b in zip(ends, starts_of_next, strict=True)] == [timedelta(days=gap)] * 3


def test_with_a_gap_as_long_as_the_delay_every_outcome_is_known_when_the_next_split_begins():
    delay = timedelta(days=SPLIT.gap_days)
    assigned = assign_time_split(hourly_events(), as_of=AS_OF, split=SPLIT)
    times = dict(assigned.group_by("split").agg(pl.max("event_timestamp")).iter_rows())
    starts = {name: start for name, (start, _) in split_windows(as_of=AS_OF, split=SPLIT).items()}
    assert times["train"] + delay < starts["validation"]
    assert times["validation"] + delay < starts["test"]
    assert times["test"] + delay < AS_OF


def test_a_row_belongs_to_the_window_that_holds_its_time_start_included_end_excluded():
    assigned = assign_time_split(hourly_events(), as_of=AS_OF, split=SPLIT)
    split_at = dict(assigned.select("event_timestamp", "split").iter_rows())
    for name, (start, end) in split_windows(as_of=AS_OF, split=SPLIT).items():
        assert split_at[start] == name
        assert split_at[end - timedelta(hours=1)] == name
        assert end not in split_at
        assert start - timedelta(hours=1) not in split_at


def test_rows_outside_the_windows_are_dropped_and_the_others_keep_their_order():
    shuffled = hourly_events().sample(fraction=1, shuffle=True, seed=3)
    assigned = assign_time_split(shuffled, as_of=AS_OF, split=SPLIT)
    assert assigned.height == 24 * (5 + 2 + 2)
    kept = shuffled.filter(pl.col("event_id").is_in(assigned["event_id"].implode()))
    assert assigned["event_id"].to_list() == kept["event_id"].to_list()


def test_an_empty_time_split_is_named_with_its_window_and_the_range_of_the_rows():
    early = hourly_events().filter(pl.col("event_timestamp") < datetime(2020, 1, 16, tzinfo=UTC))
    with pytest.raises(
        TrainingError, match=r"split test is empty: .*test 0 rows \(window \[2020-01-17.*360 rows"
    ):
        assign_time_split(early, as_of=AS_OF, split=SPLIT)
    with pytest.raises(TrainingError, match="given were no rows"):
        assign_time_split(early.clear(), as_of=AS_OF, split=SPLIT)


def test_a_time_split_with_one_class_is_named_when_the_label_is_given():
    start, _ = split_windows(as_of=AS_OF, split=SPLIT)["validation"]
    frame = hourly_events().with_columns(
        is_event=pl.when(pl.col("event_timestamp") >= start).then(0).otherwise("is_event").cast(pl.Int8)
    )
    with pytest.raises(TrainingError, match="split validation has one class only, is_event = 0"):
        assign_time_split(frame, as_of=AS_OF, split=SPLIT, label="is_event")


def test_an_as_of_time_without_zone_is_refused():
    with pytest.raises(TrainingError, match="no time zone"):
        split_windows(as_of=datetime(2020, 1, 20), split=SPLIT)  # noqa: DTZ001


def cohort(rows: int = 1000, *, positive_every: int = 4) -> pl.DataFrame:
    return pl.DataFrame({"patient_id": range(rows)}).with_columns(
        died=(pl.col("patient_id") % positive_every == 0).cast(pl.Int8)
    )


def stratified(frame: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    return assign_stratified_split(
        frame, id_column="patient_id", label="died", split=StratifiedSplit(seed=seed)
    )


@given(rows=st.integers(40, 400), every=st.integers(2, 5), seed=st.integers(0, 5))
def test_each_stratified_split_has_its_share_of_each_outcome_within_one_row(rows, every, seed):
    assigned = stratified(cohort(rows, positive_every=every), seed=seed)
    counts = {(s, y): n for s, y, n in assigned.group_by("split", "died").len().iter_rows()}
    for outcome in (0, 1):
        total = assigned.filter(pl.col("died") == outcome).height
        for name, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
            assert abs(counts[name, outcome] - share * total) <= 1


@given(shuffle_seed=st.integers(0, 1000))
def test_a_stratified_split_does_not_depend_on_the_order_of_rows_and_keeps_it(shuffle_seed):
    frame = cohort(200)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=shuffle_seed)
    assigned = stratified(shuffled)
    assert assigned["patient_id"].to_list() == shuffled["patient_id"].to_list()
    assert assigned.sort("patient_id").equals(stratified(frame))


def test_another_seed_draws_another_stratified_split():
    assert not stratified(cohort(), seed=0).equals(stratified(cohort(), seed=1))


def test_ten_more_rows_leave_nearly_all_rows_in_their_split():
    before, after = stratified(cohort(1000)), stratified(cohort(1010))
    moved = before.join(after, on="patient_id").filter(pl.col("split") != pl.col("split_right"))
    assert moved.height <= 10


def test_a_stratified_split_too_small_for_both_classes_is_named_with_its_counts():
    with pytest.raises(
        TrainingError, match=r"split validation has one class only, died = 0.*validation 8 rows"
    ):
        stratified(cohort(40, positive_every=40))
    with pytest.raises(TrainingError, match="no rows"):
        stratified(cohort().clear())


def test_null_and_repeated_ids_and_null_labels_are_refused():
    frame = cohort(50)
    with pytest.raises(TrainingError, match="patient_id is null in 1 of 50 rows"):
        stratified(frame.with_columns(pl.col("patient_id").replace(7, None)))
    with pytest.raises(TrainingError, match="patient_id is repeated in 50 rows, for example 0"):
        stratified(pl.concat([frame, frame]))
    with pytest.raises(TrainingError, match="died is null in 13 of 50 rows"):
        stratified(frame.with_columns(died=pl.when(pl.col("died") == 0).then("died")))
