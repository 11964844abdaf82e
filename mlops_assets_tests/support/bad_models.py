"""Models whose text LightGBM takes badly: each digest is right, so that nothing but trying finds it."""

import re
from dataclasses import replace

from mlops_assets.core.model.trained_model import TrainedModel

BALLAST = 40_000_000


def aborting(model: TrainedModel) -> TrainedModel:
    """LightGBM ends the process by SIGABRT: trees are not as long as said."""
    return _changed(model, (r"^split_feature=\d+", "split_feature=1000000000"))


def hanging(model: TrainedModel) -> TrainedModel:
    """The first tree's root is its own child: a row never arrives at a leaf."""
    return _changed(model, (r"^left_child=-?\d+", "left_child=0"), (r"^right_child=-?\d+", "right_child=0"))


def large(model: TrainedModel) -> TrainedModel:
    """The text is longer by BALLAST characters, which takes memory to load."""
    return replace(model, booster_text=f"{model.booster_text}\n{'x' * BALLAST}\n")


def _changed(model: TrainedModel, *changes: tuple[str, str]) -> TrainedModel:
    text = model.booster_text
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
        assert count == 1
    return replace(model, booster_text=text)
