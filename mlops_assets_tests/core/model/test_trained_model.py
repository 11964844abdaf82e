import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError, PackagingError
from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.model.trained_model import ROWS_WORTH_THREADS, TrainedModel, feature_matrix
from mlops_assets.core.product_spec import Training
from mlops_assets.core.training.fit import fit
from mlops_assets_tests.support.training_rows import FEATURES, LABEL, training_rows


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return fit(
        training_rows(),
        feature_names=FEATURES,
        label=LABEL,
        training=Training(num_boost_round=60, calibration="sigmoid"),
        parameters={"num_leaves": 7},
    )


def test_predictions_are_probabilities_one_per_row_that_follow_the_signal(model):
    frame = training_rows(1000, seed=1)
    predicted = model.predict(frame)
    assert predicted.shape == (1000,) and predicted.dtype == np.float64
    assert predicted.min() > 0 and predicted.max() < 1
    assert np.corrcoef(predicted, frame["signal"])[0, 1] > 0.5


def test_predict_is_the_calibrator_over_predict_raw(model):
    frame = training_rows(100)
    assert isinstance(model.calibrator, SigmoidCalibrator)
    assert model.predict(frame).tolist() == model.calibrator.apply(model.predict_raw(frame)).tolist()
    assert model.predict(frame).tolist() != model.predict_raw(frame).tolist()


def test_a_row_alone_gets_the_same_bits_as_in_a_large_batch(model):
    frame = training_rows(ROWS_WORTH_THREADS + 1)
    batch = model.predict(frame)
    alone = [model.predict(frame[i])[0] for i in range(0, frame.height, 50)]
    assert batch[::50].tolist() == alone


def test_a_frame_longer_than_a_slice_gets_the_bits_of_its_matrix(model, monkeypatch):
    frame = pl.concat([training_rows(1700), training_rows(600, seed=1)], rechunk=False)
    matrix = feature_matrix(frame, model.feature_names)
    for rows in (1, 500, ROWS_WORTH_THREADS + 1, frame.height, frame.height + 1):
        monkeypatch.setattr("mlops_assets.core.model.trained_model.SLICE_ROWS", rows)
        part = frame.head(20) if rows == 1 else frame
        assert model.predict(part).tolist() == model.predict_matrix(matrix)[: part.height].tolist()


def test_columns_are_taken_by_name_in_any_order_and_other_columns_are_ignored(model):
    frame = training_rows(50)
    reordered = frame.select(*reversed(frame.columns)).with_columns(extra=pl.lit("x"))
    assert model.predict(frame).tolist() == model.predict(reordered).tolist()


def test_a_null_is_a_missing_value_whatever_the_column_type(model):
    frame = training_rows(50)
    typed = frame.with_columns(gappy=pl.lit(None, pl.Float64))
    untyped = frame.with_columns(gappy=pl.lit(None))
    assert untyped["gappy"].dtype == pl.Null
    assert model.predict(typed).tolist() == model.predict(untyped).tolist()
    matrix = feature_matrix(untyped, FEATURES)
    assert np.isnan(matrix[:, FEATURES.index("gappy")]).all()
    assert matrix.flags.c_contiguous and matrix.shape == (50, 4)


def test_no_rows_give_no_predictions(model):
    empty = training_rows(5).clear()
    assert model.predict(empty).shape == (0,)
    assert model.contributions(empty).shape == (0, len(FEATURES) + 1)


def test_a_missing_feature_column_is_named(model):
    with pytest.raises(FeatureError, match="feature column missing: opposite, noise; the frame has row_id"):
        model.predict(training_rows(5).drop("opposite", "noise"))


def test_text_nan_and_infinity_are_refused_with_column_and_row(model):
    frame = training_rows(5)
    with pytest.raises(FeatureError, match="feature noise has type String"):
        model.predict(frame.with_columns(pl.col("noise").cast(pl.String)))
    for bad in (float("nan"), float("inf")):
        broken = frame.with_columns(gappy=pl.Series([None, 1.0, 2.0, bad, bad]))
        with pytest.raises(FeatureError, match=f"feature gappy is {bad} in 2 of 5 rows, first in row 3"):
            model.predict(broken)


def test_contributions_and_bias_add_up_to_the_raw_log_odds(model):
    frame = training_rows(200)
    contributions = model.contributions(frame)
    assert contributions.columns == [*FEATURES, "bias"]
    raw = model.predict_raw(frame)
    total = contributions.sum_horizontal().to_numpy()
    np.testing.assert_allclose(total, np.log(raw / (1 - raw)), atol=1e-9)
    assert contributions["bias"].n_unique() == 1


def test_importance_lists_every_feature_largest_gain_first(model):
    importance = model.importance()
    assert importance.columns == ["feature", "gain", "splits"]
    assert set(importance["feature"]) == set(FEATURES)
    assert importance["feature"][0] == "signal"
    assert importance["gain"].is_sorted(descending=True)


def test_a_saved_model_is_the_same_when_loaded_and_predicts_the_same_bits(model, tmp_path):
    model.save(tmp_path / "new" / "folder")
    loaded = TrainedModel.load(tmp_path / "new" / "folder")
    assert loaded == model
    assert loaded.digest == model.digest
    frame = training_rows(500)
    assert loaded.predict(frame).tolist() == model.predict(frame).tolist()


def test_saving_twice_writes_the_same_two_text_files(model, tmp_path):
    for name in ("a", "b"):
        model.save(tmp_path / name)
    files = {name: {f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("a", "b")}
    assert files["a"] == files["b"]
    assert set(files["a"]) == {"model.lgb", "model.json"}
    assert files["a"]["model.lgb"].startswith(b"tree\n")


@pytest.mark.parametrize(
    "change",
    [
        {"calibrator": SigmoidCalibrator(slope=1.0, intercept=0.5)},
        {"feature_names": ("opposite", "signal", "gappy", "noise")},
        {"label": "other"},
        {"seed": 1},
        {"booster_text": "tree\n"},
        {"validation_curve": (0.5,)},
    ],
)
def test_the_digest_changes_with_every_stored_part(model, change):
    assert replace(model, **change).digest != model.digest


def test_a_changed_or_cut_booster_file_is_refused(model, tmp_path):
    model.save(tmp_path)
    text = (tmp_path / "model.lgb").read_text()
    for broken in (text.replace("leaf_value=", "leaf_value=1", 1), text[: len(text) // 2], ""):
        (tmp_path / "model.lgb").write_text(broken)
        with pytest.raises(PackagingError, match="does not match its digest"):
            TrainedModel.load(tmp_path)


def test_a_changed_document_is_refused(model, tmp_path):
    model.save(tmp_path)
    document = json.loads((tmp_path / "model.json").read_text())
    document["model"]["calibrator"]["slope"] = 2.0
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(PackagingError, match="does not match its digest"):
        TrainedModel.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"format_version": 99}', '{"format_version": 1, "model": {"label": "y"}}'],
)
def test_a_document_that_is_none_of_ours_is_refused(model, tmp_path, content):
    model.save(tmp_path)
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(PackagingError, match=r"model in .* (cannot be read|has format 99, readable is 1)"):
        TrainedModel.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(PackagingError, match=r"cannot be read: FileNotFoundError.*model\.json"):
        TrainedModel.load(tmp_path)


def test_a_text_that_is_no_booster_is_refused_at_first_use(model):
    with pytest.raises(PackagingError, match="booster text cannot be read"):
        replace(model, booster_text="no booster").predict(training_rows(5))


def test_threads_that_share_a_freshly_loaded_model_get_the_same_answers(model, tmp_path):
    model.save(tmp_path)
    frame = training_rows(64)
    expected = model.predict(frame).tolist()
    explained = model.contributions(frame)
    loaded = TrainedModel.load(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        predictions = [pool.submit(loaded.predict, frame) for _ in range(100)]
        contributions = [pool.submit(loaded.contributions, frame) for _ in range(20)]
    assert all(future.result().tolist() == expected for future in predictions)
    assert all(future.result().equals(explained) for future in contributions)
