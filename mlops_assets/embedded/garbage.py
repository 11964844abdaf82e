"""How often Python looks for cycles of objects that nothing refers to any more."""

import atexit
import gc

_PYTHONS_OWN = (700, 10, 10)
RARELY = (50_000, 20, 20)
"""Objects after which the young ones are searched, and how many of these rounds reach the older generations."""


def collect_garbage_rarely() -> None:
    """Look for garbage cycles less often, and not when the process ends; the last reference frees memory as before.

    Dagster, MLflow, Matplotlib and what they import make about a million objects that stay. With Python's own
    thresholds each import begins searches of all of them, and finds next to nothing: 3 of the 26 seconds of processor
    time that a small run of the retrain path takes, and 2 more when it ends, to free what the system frees anyway.
    Frames and matrices are in no cycle; files and databases are closed by who opened them, not by this search.
    Thresholds that were changed before, by whomever, stay.
    """
    if gc.get_threshold() == _PYTHONS_OWN:
        gc.set_threshold(*RARELY)
        atexit.register(gc.freeze)
