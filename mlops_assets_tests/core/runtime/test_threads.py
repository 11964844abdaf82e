import os

import numpy as np
from threadpoolctl import threadpool_info

from mlops_assets.core.runtime.threads import let_waiting_threads_sleep, one_blas_thread


def test_waiting_threads_sleep_unless_the_user_chose_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    let_waiting_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    let_waiting_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "active"


def test_blas_has_one_thread_inside_the_block_and_its_own_number_after_it():
    def blas_threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    assert np.ones((2, 2)).sum() == 4
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before
