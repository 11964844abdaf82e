"""The model registry: the versions of each product with their models and verdicts, in MLflow.

One registered model per product, named like it. Every write here may be repeated: it then changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.artifacts import (
    LoggedRun,
    find_model_run,
    load_model,
    log_model,
    logged_model_id,
)
from mlops_assets.core.registry.mlflow_client import mlflow_client, mlflow_globals
from mlops_assets.core.registry.tag_names import (
    CONTENT_TAG,
    DIGEST_TAG,
    FACTS_TAG,
    INPUTS_TAG,
    MODEL_DIGEST_TAG,
    VERDICTS_TAG,
)
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.registry.version import (
    ModelVersion,
    RecordedVerdict,
    facts_to_json,
    find_version,
    is_same_version,
    model_version,
    verdicts_to_json,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowModelVersion


@dataclass(frozen=True)
class ModelRegistry:
    """The registry at `tracking_uri`, where the runs are too."""

    tracking_uri: str

    def log_model(self, run_id: str, model: TrainedModel, *, tags: Mapping[str, str] | None = None) -> str:
        """Store a trained model with its run; see `artifacts.log_model`."""
        return log_model(self.tracking_uri, run_id, model, tags=tags)

    def find_model_run(self, experiment: str, inputs: str) -> LoggedRun | None:
        """Return the latest finished run of the experiment that made its model from exactly these inputs, if any."""
        return find_model_run(self.tracking_uri, experiment, tags={INPUTS_TAG: inputs})

    def same_model_run(self, experiment: str, *, content: str, digest: str) -> LoggedRun | None:
        """Return the latest finished run whose model has this digest and was made from the same but the code."""
        tags = {CONTENT_TAG: content, MODEL_DIGEST_TAG: digest}
        return find_model_run(self.tracking_uri, experiment, tags=tags)

    def load(self, product: str, version: int) -> TrainedModel:
        """Return a version's model, verified against the digest that was registered.

        Raises: RegistryError when the version does not exist or its files are missing or changed.
        """
        found = self.version(product, version)
        return load_model(self.tracking_uri, found.model_uri, digest=found.digest)

    def register(
        self,
        product: str,
        model_uri: str,
        run_id: str,
        *,
        digest: str,
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """Register a logged model and return its version; the same model of the same run with the same facts keeps it.

        The facts are the tags `VERSION_FACTS`; other tags tell no two versions apart, and stay as first given.

        Of two processes that register the same model at once, the one with the later version removes its own:
        the registry gives out versions in the order in which they become visible, so both return the earlier
        one.

        product: the registered name. model_uri, run_id: of the logged model, and the run that logged it. digest: of the
        model. tags: of the version.
        """
        all_tags = {**(tags or {}), DIGEST_TAG: digest}
        all_tags[FACTS_TAG] = facts_to_json(all_tags)
        known = self._find(product, run_id=run_id, tags=all_tags)
        if known is None:
            self._make_registered_model(product)
            self._create_version(product, model_uri, run_id, tags=all_tags)
            known = self._find(product, run_id=run_id, tags=all_tags)
        if known is None:
            raise RegistryError(f"{product}: a version was removed while it was registered; run it again")
        return known

    def versions(self, product: str) -> tuple[ModelVersion, ...]:
        """Return all versions, oldest first; empty when the product has none yet."""
        tags = MlflowRegistryTags(self.tracking_uri)
        found = [tags.version(product, number) for number in tags.versions(product)]
        return tuple(model_version(product, entry) for entry in found if entry is not None)

    def version(self, product: str, version: int) -> ModelVersion:
        """Return one version.

        Raises: RegistryError when there is none of that number.
        """
        return find_version(MlflowRegistryTags(self.tracking_uri), product, version)

    def write_verdicts(self, product: str, version: int, verdicts: Sequence[RecordedVerdict]) -> None:
        """Store the gates' verdicts whole, in one tag: a reader sees all of them or none.

        Raises: RegistryError when the version does not exist, or a gate has two verdicts.
        """
        names = [verdict.gate for verdict in verdicts]
        if len(set(names)) != len(names):
            raise RegistryError(f"{product} version {version}: a gate has two verdicts: {sorted(names)}")
        self.version(product, version)
        self._client().set_model_version_tag(product, str(version), VERDICTS_TAG, verdicts_to_json(verdicts))

    def run_tags(self, run_id: str) -> dict[str, str]:
        """Return the tags of a run."""
        return dict(self._client().get_run(run_id).data.tags)

    def set_run_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run, one after the other."""
        for name, value in tags.items():
            self._client().set_tag(run_id, name, value)

    def set_version_tags(self, product: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version, one after the other.

        Raises: RegistryError when the version does not exist.
        """
        self.version(product, version)
        for name, value in tags.items():
            self._client().set_model_version_tag(product, str(version), name, value)

    def _client(self) -> "MlflowClient":
        return mlflow_client(self.tracking_uri)

    def _search(self, product: str) -> "list[MlflowModelVersion]":
        client, token, found = self._client(), None, []
        while True:
            page = client.search_model_versions(f"name = '{product}'", max_results=1000, page_token=token)
            found.extend(page)
            if not (token := page.token):
                return found

    def _find(self, product: str, *, run_id: str, tags: Mapping[str, str]) -> int | None:
        same = sorted(
            int(entry.version)
            for entry in self._search(product)
            if entry.run_id == run_id and is_same_version(entry.tags, tags)
        )
        return same[0] if same else None

    def _make_registered_model(self, product: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client().create_registered_model(product)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _create_version(self, product: str, model_uri: str, run_id: str, *, tags: dict[str, str]) -> None:
        with mlflow_globals(self.tracking_uri):  # the store looks models:/m-… up through MLflow's global URI
            # A server takes a source models:/m-… only with the id that it names.
            created = self._client().create_model_version(
                product, model_uri, run_id, tags, model_id=logged_model_id(model_uri)
            )
        first = self._find(product, run_id=run_id, tags=tags)
        if first is not None and first < int(created.version):
            self._client().delete_model_version(product, created.version)
