"""The feature view that the feature benchmarks compute: the product's own declaration of the 15 published features."""

from mlops_assets.core.features.view import FeatureView
from mlops_assets.products.fraud_detection.features import PUBLISHED

PUBLISHED_VIEW = FeatureView(
    name="published", id_column="transaction_id", event_timestamp="event_timestamp", features=PUBLISHED
)
