"""Bad models are bad in what they say they are; that they kill or hang is seen where models are proved."""

import pytest

from mlops_assets.commands.drill.bad_models import BALLAST, aborting, hanging, large, sound
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets_tests.support.small_model import small_model


def test_each_is_another_model_that_loads_as_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = small_model(rounds=3)
    made = [sound(model), aborting(model), hanging(model), large(model)]
    assert len({one.digest for one in [model, *made]}) == 5
    assert len(made[-1].booster_text) > BALLAST
    for one in made[:3]:
        folder = tmp_path_factory.mktemp("model")
        one.save(folder)
        assert TrainedModel.load(folder) == one


def test_a_text_that_cannot_be_changed_is_told() -> None:
    model = small_model(rounds=3)
    with pytest.raises(PackagingError, match="has no line"):
        aborting(TrainedModel(**{**vars(model), "booster_text": "tree"}))
