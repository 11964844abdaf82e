"""Whether models were made from the rows on which they are compared."""

from collections.abc import Mapping

import polars as pl

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product import Product
from mlops_assets.core.registry.candidate import Candidate, model_noun
from mlops_assets.core.registry.learned_rows import held_out_digest
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import HELD_OUT_TAG, LEARNED_ROWS_TAG, VIEW_TAG


def require_same_rows(
    product: Product,
    candidate: Candidate,
    variants: Mapping[str, Candidate],
    training_set: pl.DataFrame,
    *,
    tracking_uri: str,
) -> None:
    """Make sure that the candidate and its variants were made from this training set: who knows other rows may know
    outcomes of its test rows.

    product, candidate, variants: who is evaluated. training_set: on whose test rows. tracking_uri: of their runs; of
    those of before these facts were stored nothing is asked.

    Raises: TrainingError naming what to materialize.
    """
    registry = ModelRegistry(tracking_uri)
    own = registry.run_tags(candidate.run_id)
    held_out = held_out_digest(training_set, id_column=product.spec.id_column)
    if own.get(HELD_OUT_TAG, held_out) != held_out:
        raise TrainingError(
            f"{product.name}/model was made from other rows than {product.name}/training_set holds as version "
            f"{candidate.training_set_version}: materialize {product.name}/model first"
        )
    for name, variant in variants.items():
        other = registry.run_tags(variant.run_id)
        told = [tag for tag in (LEARNED_ROWS_TAG, VIEW_TAG) if tag in own and tag in other]
        if any(own[tag] != other[tag] for tag in told):
            raise TrainingError(
                f"{product.name}/{model_noun(name)} was made from another training set than {product.name}/model, and "
                f"may know outcomes of its test rows: materialize {product.name}/{model_noun(name)} first"
            )
