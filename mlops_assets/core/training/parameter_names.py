"""LightGBM's names of parameters: which it knows, and which mean the same.

LightGBM has no public list of them in Python; the one that it resolves aliases with is private
(docs/upstream/lightgbm-parameter-names.md).
"""

import logging
from collections.abc import Mapping
from functools import cache

from mlops_assets.core.runtime.threads import let_waiting_threads_sleep

DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "objective": ("objective_type", "app", "application", "loss"),
    "metric": ("metrics", "metric_types"),
    "seed": ("random_seed", "random_state"),
    "num_threads": ("num_thread", "nthread", "nthreads", "n_jobs"),
    "num_iterations": (
        *("num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds"),
        *("num_boost_round", "n_estimators", "max_iter"),
    ),
    "early_stopping_round": ("early_stopping_rounds", "early_stopping", "n_iter_no_change"),
    "monotone_constraints": ("mc", "monotone_constraint", "monotonic_cst"),
    "device_type": ("device",),
    "verbosity": ("verbose",),
}
"""Other names of the parameters that belong to the platform, from LightGBM's page "Parameters"."""
_log = logging.getLogger(__name__)


def main_name(name: str) -> str | None:
    """Return LightGBM's main name of a parameter; None when it knows no such parameter.

    Where LightGBM's own list is not as known, the documented aliases of the platform's own parameters are resolved, and
    every other name is taken to be right: LightGBM would ignore a wrong one.
    """
    names = _lightgbms_own()
    return _documented().get(name, name) if names is None else names.get(name)


@cache
def _lightgbms_own() -> Mapping[str, str] | None:
    let_waiting_threads_sleep()
    try:
        from lightgbm.basic import _ConfigAliases

        _ConfigAliases.get("objective")
        names = _by_alias(_ConfigAliases.aliases or {})
    except (ImportError, AttributeError, TypeError) as error:
        problem = repr(error)
    else:
        documented = _documented()
        if {alias: names.get(alias) for alias in documented} == documented:
            return names
        problem = "it misses documented names"
    _log.warning(
        "LightGBM's list of its parameters is not as this version of mlops-assets knows it (%s): a parameter that "
        "LightGBM does not know is not refused, and changes nothing.",
        problem,
    )
    return None


def _documented() -> Mapping[str, str]:
    return _by_alias(DOCUMENTED)


def _by_alias(names: Mapping[str, "tuple[str, ...] | list[str]"]) -> Mapping[str, str]:
    return {alias: main for main, aliases in names.items() for alias in (main, *aliases)}
