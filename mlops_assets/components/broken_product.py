"""A product folder that cannot be loaded, as the code location shows it: one asset that says why, a failing check."""

import traceback

import dagster as dg

from mlops_assets.core.errors import PlatformError

DECLARATION = "declaration"
IS_LOADABLE = "is_loadable"
_LINES = 12


def why_not_loadable(definitions: dg.Definitions) -> Exception | None:
    """Return what Dagster raises for an asset, job, schedule or sensor that it refuses; None when it takes them all.

    What is resolved here is kept with the definitions, so that a code location that loads is resolved once.
    """
    try:
        definitions.get_repository_def().load_all_definitions()
    except Exception as error:  # Dagster's words are what is asked for
        return error
    return None


def broken_product(name: str, error: Exception) -> dg.Definitions:
    """Stand in for a product that cannot be loaded: the asset `[name, declaration]` and its check, which fails.

    Neither can be mistaken for a stage of the story: nothing is computed, and the message names file and line.
    """
    message = cause_of(error)
    key = dg.AssetKey([name, DECLARATION])
    asset = dg.AssetSpec(
        key,
        description=f"This product cannot be loaded, so that none of its assets is here.\n\n```\n{message}\n```",
        group_name=name if name.isidentifier() else None,
        tags={"mlops/broken": "true"},
        kinds={"yaml"},
    )

    @dg.asset_check(asset=key, name=IS_LOADABLE, description="Whether the product's folder can be loaded")
    def is_loadable() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR, description=message)

    return dg.Definitions(assets=[asset], asset_checks=[is_loadable])


def cause_of(error: Exception) -> str:
    """What went wrong, without the libraries' wrapping: the platform's own words, or the last lines of a traceback."""
    cause: BaseException = error
    while not isinstance(cause, PlatformError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, PlatformError):
        return str(cause)
    lines = "".join(traceback.format_exception(cause)).strip().splitlines()
    return "\n".join(lines[-_LINES:])
