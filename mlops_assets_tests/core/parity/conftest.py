"""One stream of requests for all tests of parity."""

import pytest

from mlops_assets_tests.support.parity.served_requests import ServedRequests


@pytest.fixture(scope="session")
def requests() -> ServedRequests:
    return ServedRequests()
