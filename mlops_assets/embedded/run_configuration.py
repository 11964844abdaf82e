"""Which environment variables run configuration may read: those that are declared, and none by default.

Dagster resolves `{env: NAME}` for whoever may start a run, and a run writes down what it was told. It has no place to
limit that (docs/upstream/dagster-environment-in-run-configuration.md). Where the one method that this module wraps is
another one, the products are not loaded.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import wraps

import dagster as dg

from mlops_assets.core.errors import ConfigurationError

SETTING = "MLOPS_RUN_CONFIG_VARIABLES"
_WRAPPED = "read_before_the_limit"
"""The attribute of our method that holds Dagster's own."""


def limit_environment(declared: Collection[str]) -> None:
    """Let this process refuse any run configuration that reads an environment variable which is not declared.

    It holds wherever this process resolves run configuration: for a launch from the web UI or GraphQL, before there is
    a run, for `dg launch` and for the run itself. What code or dagster.yaml reads of the environment is not touched.

    Raises: ConfigurationError when this version of Dagster resolves run configuration elsewhere.
    """
    try:
        from dagster._core.system_config.objects import ResolvedRunConfig

        build = getattr(ResolvedRunConfig.build, _WRAPPED, ResolvedRunConfig.build)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"Dagster {dg.__version__} resolves run configuration in a way that this version of mlops-assets does not "
            f"know ({error}), so that it could read any environment variable; install the version that "
            "deploy/requirements.lock names"
        ) from error

    @wraps(build)
    def limited(
        job_def: dg.JobDefinition, run_config: Mapping[str, object] | None = None
    ) -> ResolvedRunConfig:
        require_declared(run_config or {}, declared=declared)
        return build(job_def, run_config)

    setattr(limited, _WRAPPED, build)
    ResolvedRunConfig.build = staticmethod(limited)


def require_declared(run_config: object, *, declared: Collection[str]) -> None:
    """Raise ConfigurationError naming the places of run configuration that read a variable which is not declared."""
    undeclared = [f"{name} (at {place})" for place, name in variables(run_config) if name not in declared]
    if undeclared:
        raise ConfigurationError(
            f"run configuration may not read the environment variable {', '.join(undeclared)}: write the value, or "
            f"declare the variable in {SETTING} where Dagster is started"
        )


def variables(run_config: object, place: str = "root") -> Iterator[tuple[str, str]]:
    """Yield place and name of each environment variable that a run configuration reads."""
    if isinstance(run_config, Mapping):
        if set(run_config) == {"env"} and isinstance(name := run_config["env"], str):
            yield place, name
        for key, value in run_config.items():
            yield from variables(value, f"{place}:{key}")
    elif isinstance(run_config, list | tuple):
        for number, value in enumerate(run_config):
            yield from variables(value, f"{place}[{number}]")
