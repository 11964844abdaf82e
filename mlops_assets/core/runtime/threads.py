"""How threads of native libraries behave beside other processes on the same cores."""

import os
from contextlib import AbstractContextManager


def let_waiting_threads_sleep() -> None:
    """Make OpenMP threads sleep instead of spin at a barrier; call it before the first import of LightGBM.

    OpenMP reads the setting once, when its library is loaded; a value that the user has set stays. Spinning
    threads keep the core from the thread that they wait for: with two other busy processes on two cores a fit
    of 60 small trees took over 25 s by default, 0.2 s with this and 0.05 s on one thread.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def one_blas_thread() -> AbstractContextManager[object]:
    """Hold BLAS to one thread inside the block, process-wide.

    With more threads the rounding of a sum depends on their number, and OpenBLAS yields in a loop while it
    waits: beside other processes that costs more than small matrices gain.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")
