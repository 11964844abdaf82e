"""A bento of the small model."""

from pathlib import Path

from mlops_assets.core.bento_manifest import ServedFeature
from mlops_assets.core.model import TrainedModel
from mlops_assets.core.packaging import BuiltBento, build_bento


def small_bento(model: TrainedModel, bentoml_home: Path, version: int = 3) -> BuiltBento:
    """Build, or find, version `version` of the product fraud_detection."""
    features = [
        ServedFeature(name, f"Describes {name}.", unit="", null_means="not known")
        for name in model.feature_names
    ]
    return build_bento(
        product="fraud_detection",
        title="Card fraud",
        version=version,
        model=model,
        features=features,
        bentoml_home=bentoml_home,
    )
