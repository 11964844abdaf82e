"""Models whose text LightGBM takes badly, under a digest that is right: nothing but trying finds them."""

import re
from dataclasses import replace

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.model.trained_model import TrainedModel

BALLAST = 40_000_000


def sound(model: TrainedModel) -> TrainedModel:
    """Another model that serves as well as this one."""
    return model.with_calibrator(SigmoidCalibrator(slope=0.9, intercept=0.0))


def aborting(model: TrainedModel) -> TrainedModel:
    """A model on which LightGBM ends the process by SIGABRT: its trees are not as long as the text says."""
    return _changed(model, (r"^split_feature=\d+", "split_feature=1000000000"))


def hanging(model: TrainedModel) -> TrainedModel:
    """A model that never answers: the root of its first tree is its own child."""
    return _changed(model, (r"^left_child=-?\d+", "left_child=0"), (r"^right_child=-?\d+", "right_child=0"))


def large(model: TrainedModel) -> TrainedModel:
    """A model whose text is longer by BALLAST characters, which takes several times as much memory to load."""
    return replace(model, booster_text=f"{model.booster_text}\n{'x' * BALLAST}\n")


def _changed(model: TrainedModel, *changes: tuple[str, str]) -> TrainedModel:
    text = model.booster_text
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
        if not count:
            raise PackagingError(f"LightGBM's text has no line {pattern}")
    return replace(model, booster_text=text)
